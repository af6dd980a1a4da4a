"""Conditions under which two results can be compared."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from straingauge.http.own_address import is_loopback

Result = Mapping[str, Any]

_SETTINGS: Final = (
    *("users", "schedule", "scenarios", "journeys", "file", "warm_up", "timeout_s"),
    *("connections", "max_connections", "processes", "target"),
)
_MACHINE: Final = ("system", "architecture", "cpu", "cpu_count", "usable_cpus")
# "Linux 6.8" of "Linux 6.8.0-1021-azure". Cloud machines get a new kernel patch every few weeks.
_FEATURE_RELEASE: Final = re.compile(r"\S+ \d+(?:\.\d+)?")
_MEMORY_MAY_DIFFER: Final = 0.01  # the reported total varies slightly


def invalid(result: Result) -> list[str]:
    """Reasons for which a result is invalid."""
    return [
        reason["message"]
        for reason in result["validity"].get("reasons", [])
        if reason["severity"] == "invalid"
    ]


def differences(old: Result, new: Result) -> list[str]:
    """Reasons for which two results cannot be compared, as sentences."""
    return [*_tests(old, new), *_settings(old, new), *_machines(old, new)]


def notes(old: Result, new: Result) -> list[str]:
    """Other differences that the reader should know."""
    before, after = old["environment"], new["environment"]
    found = []
    systems = [(each.get("machine") or {}).get("system") for each in (before, after)]
    if systems[0] != systems[1]:
        found.append(f"the system was {systems[0]} and is {systems[1]}")
    if before.get("python") != after.get("python"):
        found.append(f"Python was {before.get('python')} and is {after.get('python')}")
    packages = before.get("packages") or {}, after.get("packages") or {}
    changed = [
        f"{name} {packages[0].get(name)} -> {packages[1].get(name)}"
        for name in sorted({*packages[0], *packages[1]})
        if packages[0].get(name) != packages[1].get(name)
    ]
    if changed:
        found.append(f"packages changed: {', '.join(changed)}")
    return found


def _tests(old: Result, new: Result) -> Iterator[str]:
    if old.get("schema_version") != new.get("schema_version"):
        yield (
            f"their schemas differ: version {old.get('schema_version')} and "
            f"{new.get('schema_version')}"
        )
    if old["name"] != new["name"]:
        yield f"they are of different tests: {old['name']} and {new['name']}"
    elif not set(old["endpoints"]) & set(new["endpoints"]):
        yield "they have no endpoint in common"


def _settings(old: Result, new: Result) -> Iterator[str]:
    before, after = old["configuration"], new["configuration"]
    for name in _SETTINGS:
        was, now = before.get(name), after.get(name)
        if name == "target":  # the port is any free one where the service is started for the load
            was, now = _host(was), _host(now)
        if was != now:
            yield f"the setting {name} was {_shown(was)} and is {_shown(now)}"


def _host(target: object) -> str | None:
    """Return the host of a URL, one for all names of loopback; the text itself if it is none."""
    text = str(target or "")
    try:
        host = urlsplit(text).hostname
    except ValueError:
        return text
    return "localhost" if host and is_loopback(host) else host


def _machines(old: Result, new: Result) -> Iterator[str]:
    before = old["environment"].get("machine") or {}
    after = new["environment"].get("machine") or {}
    for name in _MACHINE:
        was, now = before.get(name), after.get(name)
        if name == "usable_cpus" and None in {was, now}:
            continue  # not in results of earlier versions
        same = _release(was) == _release(now) if name == "system" else was == now
        if not same:
            yield f"the machines differ: {name} was {was} and is {now}"
    was, now = before.get("memory_mb") or 0, after.get("memory_mb") or 0
    if abs(was - now) > _MEMORY_MAY_DIFFER * max(was, now):
        yield f"the machines differ: memory was {was} MB and is {now} MB"


def _release(system: object) -> object:
    """The system without its patch level."""
    found = _FEATURE_RELEASE.match(str(system))
    return found[0] if found else system


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items()) or "nothing"
    return "not set" if value is None else str(value)
