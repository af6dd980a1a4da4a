"""A search for capacity for people: a chart of all levels, and what it comes to in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_COLUMNS: Final = 28
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_CAUSES: Final = 2

Document = Mapping[str, Any]


def level_line(level: Mapping[str, Any], unit: str) -> str:
    """One level when it has been played."""
    how = "holds" if level["holds"] else f"does not hold: {_first(level['why'])}"
    return (
        f"{level['phase']:<12} {level['level']:>6g} {unit:<5} {level['throughput_rps']:>7.1f}/s  "
        f"p95 {_ms(level['p95_ms'])} ms  {how}"
    )


def chart(found: Document) -> str:
    """Throughput and p95 of each level as bars, the levels in order; repeated ones averaged."""
    rows = list(_rows(found["levels"]))
    if not rows:
        return ""
    most_rps = max(row[1] for row in rows) or 1.0
    most_ms = max(row[2] or 0.0 for row in rows) or 1.0
    head = f"{'load':>10}  {'throughput':<{_COLUMNS + 10}}  {'p95':<{_COLUMNS + 10}}"
    lines = [head.rstrip()]
    for level, rps, p95_ms, holds in rows:
        marks = [
            word
            for word, here in (
                ("capacity", level == found["capacity"]),
                ("knee", level == found["knee"]),
                ("does not hold", not holds),
            )
            if here
        ]
        first, second = _bar(rps / most_rps), _bar((p95_ms or 0.0) / most_ms)
        figures = f"{first} {rps:>7.1f}/s  {second} {_ms(p95_ms):>6} ms"
        lines.append(f"{level:>4g} {found['unit']:<5}  {figures}  {', '.join(marks)}".rstrip())
    return "\n".join(lines) + "\n"


def words(found: Document) -> str:
    """What it comes to: the capacity, the knee, what broke first and why, the law."""
    return "\n".join(_words(found)) + "\n"


def _words(found: Document) -> Iterator[str]:
    unit = found["unit"]
    if found["ended"]:
        yield f"ended    {found['ended']}"
    if found["capacity"] is not None:
        least = "at least " if found["at_least"] else ""
        times = found["confirmed"] + 1
        yield f"capacity {least}{found['capacity']:g} {unit}, held {times} times of {times}"
    elif found["best"] is not None:
        yield f"capacity not known: {found['best']:g} {unit} held, unconfirmed"
    else:
        yield "capacity none: not even the lowest level held"
    if found["knee"] is not None:
        yield f"knee     {found['knee']:g} {unit}: from there on, more load buys mostly delay"
    yield from _broken(found)
    besides = {what: shown for level in found["levels"] for what, shown in level["besides"].items()}
    for what, shown in besides.items():
        yield f"besides  at any load, {what}: {shown}"
    if found["usl"]:
        yield f"law      {_law(found['usl'])}"


def _broken(found: Document) -> Iterator[str]:
    broken = found["broke_first"]
    if broken is None:
        return
    what = broken["what"]["message"] if broken["what"] else _first(broken["why"])
    yield f"broke    at {broken['level']:g} {found['unit']}: {what}"
    for cause in broken["diagnosis"][:_CAUSES]:
        evidence = _first(cause["evidence"])
        yield f"why      {cause['title']} ({cause['confidence']:.0%} sure): {evidence}"
    if broken["diagnosis"]:
        yield f"change   {_first(broken['diagnosis'][0]['advice'])}"


def _law(law: Mapping[str, Any]) -> str:
    text = (
        f"USL: {law['rate_of_one']:.3g}/s for one alone, contention {law['contention']:.3g}, "
        f"coherency {law['coherency']:.2g}, within {law['error_percent']:.1f} %"
    )
    if law["peak_rps"] is None:
        return f"{text}; it foresees no peak yet"
    spread = f" ({law['low_rps']:.0f} to {law['high_rps']:.0f})" if law["low_rps"] else ""
    at = f" at {law['peak_at']:.0f} under way at once" if law["peak_at"] else ""
    return f"{text}; at most {law['peak_rps']:.0f}/s{spread}{at}"


def _rows(
    levels: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[float, float, float | None, bool]]:
    for level in sorted({each["level"] for each in levels}):
        same = [each for each in levels if each["level"] == level]
        p95s = [each["p95_ms"] for each in same if each["p95_ms"] is not None]
        yield (
            level,
            sum(each["throughput_rps"] for each in same) / len(same),
            sum(p95s) / len(p95s) if p95s else None,
            all(each["holds"] for each in same),
        )


def _bar(share: float) -> str:
    eighths = round(min(max(share, 0.0), 1.0) * _COLUMNS * 8)
    full, rest = divmod(eighths, 8)
    return (_EIGHTHS[8] * full + (_EIGHTHS[rest] if rest else "")).ljust(_COLUMNS)


def _first(sentences: Sequence[str]) -> str:
    return sentences[0] if sentences else "no reason was kept"


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
