"""The files of a load suite that repeats captured requests."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError
from straingauge.http.headers import TOKEN
from straingauge.scaffold.captured.capture import Capture, CapturedRequest, origin_of
from straingauge.scaffold.captured.request_code import (
    SecretPlaceError,
    endpoint_of,
    request_code,
)
from straingauge.scaffold.captured.secrets import Secrets
from straingauge.scaffold.captured.uploads import Uploads
from straingauge.scaffold.source import literal, plain
from straingauge.scaffold.suite import (
    MAX_OPERATIONS,
    TESTS,
    Scaffold,
    pytest_ini,
    seconds_for,
    threshold_files,
)

HEAD: Final = '''"""Journeys of {title}, generated from {source}.

Edit this file: values of one user, such as ids, are repeated by all. Secrets are read from the
environment.

    straingauge doctor {folder}/journeys.py --host {url}
    straingauge run {folder}/journeys.py --host {url}
"""
'''
_READS: Final = frozenset({"GET", "HEAD"})
_TAKEN: Final = frozenset({"mix", "endpoints", "secret", "user"}).union(
    ("account", "log_in", "verify", "tear_down", "scenarios")  # a load test has them
)
_SHOWN_HOSTS: Final = 5


@dataclass(frozen=True, slots=True)
class CapturedSuite:
    """A suite of captured requests, before it is written.

    Attributes:
        scaffold: Its files.
        covered: Endpoints that it calls.
        pauses_s: Time in pauses.
        secrets: Where a secret was found, by the name of its environment variable.
        skipped: Number of requests that are not used, by the reason.
        notes: What else a user should know.
    """

    scaffold: Scaffold
    covered: Sequence[str]
    pauses_s: float
    secrets: dict[str, str]
    skipped: Counter[str]
    notes: Sequence[str]


def suite_of(
    capture: Capture, url: str, folder: Path, *, here: bool, writes: bool
) -> CapturedSuite:
    """Create a suite.

    Args:
        capture: The requests.
        url: Base URL of the service.
        folder: Folder of the suite.
        here: The service runs on this machine; another host must be allowed at each run.
        writes: Send all methods, not GET and HEAD only.

    Raises:
        UsageError: No request is left.
    """
    skipped = Counter(capture.skipped)
    origin = own_origin(capture, url)
    secrets = Secrets()
    functions, covered, names = [], [], set(_TAKEN)
    count, pauses_s = 0, 0.0
    chosen = _chosen(capture, origin, skipped, writes=writes)
    uploads = Uploads()
    chosen = {name: [*map(uploads.moved, requests)] for name, requests in chosen.items()}
    for requests in chosen.values():
        for request in requests:
            with suppress(SecretPlaceError):
                request_code(request, secrets)  # a secret may be in an earlier request, too
    for name, requests in chosen.items():
        lines: list[str] = []
        for request in requests:
            if count >= MAX_OPERATIONS:
                skipped[f"beyond the {MAX_OPERATIONS} of a suite"] += 1
                continue
            try:
                code = request_code(request, secrets)
            except SecretPlaceError as error:
                skipped[f"with a secret {error}"] += 1
                continue
            if request.pause_s and lines:
                lines.append(f"    yield Pause({request.pause_s:g})")
                pauses_s += request.pause_s
            lines.append(f"    yield {code}")
            covered.append(endpoint_of(request))
            count += 1
        if lines:
            function = _function_name(name, names)
            functions.append((function, name, lines))
    if not functions:
        raise UsageError(
            f"{capture.source}: no request is left to send ({reasons(skipped)})",
            hint="--writes includes those that may change data; URL names the host to load",
        )
    covered = [*dict.fromkeys(covered)]
    named = {
        "title": plain(capture.title, 80),
        "source": plain(capture.source, 200),
        "folder": plain(folder.name, 100),
        "url": url,
    }
    files: dict[str, str | bytes] = {
        "journeys.py": _journeys(functions, covered, secrets, HEAD.format(**named)),
        **threshold_files(covered),
        "test_load.py": TESTS.format(**named, seconds=seconds_for(len(functions))),
        "pytest.ini": pytest_ini(url, here=here),
        **uploads.files,
    }
    scaffold = Scaffold(files, (), (), [*secrets.places])
    moved = [f"requests to {origin} go to {url}"] if origin != origin_of(url) else []
    notes = [*moved, *capture.notes, *uploads.notes(folder)]
    return CapturedSuite(scaffold, covered, pauses_s, secrets.places, skipped, notes)


def own_origin(capture: Capture, url: str) -> str:
    """Return the origin whose requests are used: that of the URL, else of the first request."""
    origins = [request.origin for request in capture.requests if request.origin]
    wanted = origin_of(url)
    return wanted if wanted in origins or not origins else origins[0]


def reasons(skipped: Counter[str]) -> str:
    """Return the reasons in one line."""
    return ", ".join(f"{count} {reason}" for reason, count in skipped.items())


def _chosen(
    capture: Capture, origin: str, skipped: Counter[str], *, writes: bool
) -> dict[str, list[CapturedRequest]]:
    """Return the requests to one origin; count the others."""
    chosen: dict[str, list[CapturedRequest]] = {}
    others: Counter[str] = Counter()
    for name, requests in capture.journeys.items():
        for request in requests:
            if request.origin != origin:
                others[request.origin or "no HTTP URL"] += 1
            elif not TOKEN.fullmatch(request.method) or not request.url.isprintable():
                skipped["not understood: characters in method or URL"] += 1
            elif request.method not in _READS and not writes:
                skipped["not GET or HEAD (include them with --writes)"] += 1
            else:
                chosen.setdefault(name, []).append(request)
    if others:
        hosts = [f"{host} ({count})" for host, count in others.most_common(_SHOWN_HOSTS)]
        more = [f"{len(others) - _SHOWN_HOSTS} more"] if len(others) > _SHOWN_HOSTS else []
        skipped[f"to other hosts: {', '.join([*hosts, *more])}"] = others.total()
    return chosen


def _function_name(name: str, taken: set[str]) -> str:
    """Return a name of a function that is valid and not taken, and take it."""
    base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60]
    base = base if base[:1].isalpha() and base.isidentifier() else f"journey_{base}".strip("_")
    found, number = base, 1
    while found in taken or _is_reserved(found):
        number += 1
        found = f"{base}_{number}"
    taken.add(found)
    return found


def _journeys(
    functions: Sequence[tuple[str, str, Sequence[str]]],
    covered: Sequence[str],
    secrets: Secrets,
    head: str,
) -> str:
    bodies = [
        "\n".join([f"def {name}(user):", f'    """{_sentence(title)}"""', *lines])
        for name, title, lines in functions
    ]
    code = "\n\n\n".join(bodies)
    names = ["mix", *(["Pause"] if "yield Pause(" in code else [])]
    names += ["secret"] if secrets.places else []
    names += [name for name in ("FilePart", "Upload") if f"{name}(" in code]
    variables = [f"{name} = secret({literal(f'env:{name}')})" for name in secrets.places]
    mixed = "\n".join(["mix = mix(", *(f"    ({name}, 1)," for name, _, _ in functions), ")"])
    listed = "\n".join(
        [
            "# Endpoints of the mix; thresholds.toml is checked against them.",
            "endpoints = [",
            *(f"    {literal(name)}," for name in covered),
            "]",
        ]
    )
    imports = f"from straingauge import {', '.join(sorted(names, key=str.lower))}"
    is_here = "HERE / " in code
    paths = ["from pathlib import Path"] if is_here or "Path(" in code else []
    variables = [*(["HERE = Path(__file__).parent"] if is_here else []), *variables]
    top = "\n\n".join([*paths, imports, *(["\n".join(variables)] if variables else [])])
    return f"{head}\n{top}\n\n\n{code}\n\n\n{mixed}\n\n{listed}\n"


def _sentence(title: str) -> str:
    return f"Repeat the captured requests of {plain(title, 60) or 'a capture'}."


def _is_reserved(name: str) -> bool:
    import builtins
    import keyword

    return keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name)
