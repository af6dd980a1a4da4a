"""The page of all results, docs/speed.md: the part between its markers comes from speed.json."""

from collections.abc import Iterator, Mapping
from typing import Any

from results_section import replace_section

BY = ("by_rate", "by_cpu")


def with_results(page: str, cases: Mapping[str, Any]) -> str:
    """Replace the results of a page."""
    return replace_section(page, "make bench", f"\n{as_markdown(cases)}\n")


def as_markdown(cases: Mapping[str, Any]) -> str:
    """Format all cases of speed.json as Markdown."""
    return "\n".join(line for case in cases.values() for line in _case(case))


def _case(case: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"### {case['title']}", "", _provenance(case), "")
    if any("rate_rps" in each["median"] for each in case["generators"].values()):
        yield from _rates(case)
        yield ""
    if case["limits"]:
        yield from _limits(case)
        yield ""
    for name, reason in (case["failed"] | case["skipped"]).items():
        yield from (f"{name} was not measured: {reason}.", "")
    if case["is_out_of_time"]:
        yield from ("The time was up before all intervals were narrow.", "")


def _provenance(case: Mapping[str, Any]) -> str:
    machine = case["machine"]
    rounds = max((len(each["rounds"]) for each in case["generators"].values()), default=0)
    versions = [
        ("Python", machine["python"]),
        *((name, case["versions"][name]) for name in _named(case)),
    ]
    return (
        f"{case['started'][:10]}, commit `{case['commit']}`, {machine['cores']} cores"
        f" ({machine['cpu']}), load average {machine['load_before']:.1f} before,"
        f" {rounds} round{'s' * (rounds != 1)};"
        f" {', '.join(f'{name} {version}' for name, version in versions)}."
    )


def _named(case: Mapping[str, Any]) -> list[str]:
    """Return the programs that a case has used."""
    words = " ".join(case["generators"]).lower().replace(",", " ").replace("-", " ").split()
    return [name for name in case["versions"] if name.partition("-")[0] in words]


def _rates(case: Mapping[str, Any]) -> Iterator[str]:
    titles = (
        "generator",
        f"{case['unit']}/s",
        "CPU each, us",
        "by rate",
        "by CPU",
        "required",
        "goal",
    )
    yield f"| {' | '.join(titles)} |"
    yield f"|---{'|--:' * (len(titles) - 1)}|"
    ratios = {each["peer"]: each for each in case["ratios"]}
    for name, generator in case["generators"].items():
        cells = [
            name,
            f"{generator['median']['rate_rps']:,.0f}",
            f"{generator['median']['cpu_us']:.1f}",
        ]
        ratio = ratios.get(name)
        if ratio is None:
            cells += [""] * 4
        else:
            cells += [_interval(ratio[by]) if by in ratio["counts_by"] else "" for by in BY]
            cells += [
                _least(ratio["required"], ratio["verdict"]),
                _least(ratio["goal"], ratio["goal_verdict"]),
            ]
        yield f"| {' | '.join(cells)} |"


def _limits(case: Mapping[str, Any]) -> Iterator[str]:
    yield f"| {case['ours']} | measured | required | |"
    yield "|---|--:|--:|---|"
    for limit in case["limits"]:
        bound = (
            f"<= {limit['at_most']:,g}"
            if limit["at_most"] is not None
            else f">= {limit['at_least']:,g}"
        )
        value = "-" if limit["value"] is None else f"{limit['value']:,g}"
        yield f"| {limit['what']} | {value} | {bound} | {limit['verdict']} |"


def _interval(ratio: Mapping[str, Any] | None) -> str:
    if ratio is None:
        return "-"
    if ratio["low"] is None or ratio["high"] is None:
        return f"{ratio['ratio']:g}"
    return f"**{ratio['ratio']:g}** ({ratio['low']:g}-{ratio['high']:g})"


def _least(least: float | None, verdict: str) -> str:
    return "" if least is None else f"{least:g} {verdict}"
