"""The check: what one account sends with the identifiers of another, and what it may learn."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from campaigns.tenants.calls import UNKNOWN, Call, Document, calls
from campaigns.tenants.records import Tenant, wav

_LIMITED: Final = 429  # by the number of requests, such as that of failed log-ins
_VARYING: Final = re.compile(r"date|server|x-request-id|.*ratelimit.*|retry-after|server-timing")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^\"]*")


@dataclass(slots=True)
class Report:
    """Requests that were sent, and the leaks that were found.

    Attributes:
        requests: Number of requests, by role and kind of place.
        leaks: What an account could see, learn or change of another one's records.
        void: Requests with a declared identifier that fail for its owner too, and so show nothing.
    """

    requests: dict[tuple[str, str], int] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    void: list[str] = field(default_factory=list)


async def send(
    client: httpx2.AsyncClient, call: Call, headers: Mapping[str, str]
) -> httpx2.Response:
    """Send a call as an account."""
    given: dict[str, Any] = {"headers": dict(headers), "params": dict(call.params) or None}
    if call.is_form:
        fields = dict(call.body or {})
        files = {name: ("a.wav", wav("x")) for name in fields if isinstance(fields[name], bytes)}
        given |= {"files": files, "data": {k: v for k, v in fields.items() if k not in files}}
    elif call.body is not None:
        given["json"] = call.body
    return await client.request(call.method, call.url, **given)


def learned(response: httpx2.Response) -> tuple[int, dict[str, str], str]:
    """Return what a response tells, without what differs between two requests of one kind.

    An error's body has the id of its request, so that its length says nothing.
    """
    headers = {
        name: _UUID.sub("ID", value)
        for name, value in response.headers.items()
        if not _VARYING.fullmatch(name) and (name != "content-length" or response.is_success)
    }
    own_id = response.headers.get("x-request-id") or UNKNOWN
    text = _TIME.sub("TIME", _UUID.sub("ID", response.text.replace(own_id, "ID")))
    return response.status_code, headers, text


async def check(
    client: httpx2.AsyncClient,
    document: Document,
    owner: Tenant,
    others: Mapping[str, Mapping[str, str]],
    report: Report,
) -> None:
    """Send each call with the identifiers of a tenant as each of the other accounts.

    Args:
        client: Of the service.
        document: Its OpenAPI document.
        owner: The tenant.
        others: Headers of the other accounts by role.
        report: What was found is added to it.
    """
    before = await _snapshot(client, document, owner)
    cursors = await _cursors(client, document, owner)
    unknown = dict.fromkeys(owner.ids, UNKNOWN)
    for role, headers in others.items():
        pairs = zip(calls(document, owner.ids), calls(document, unknown), strict=True)
        for call, control in pairs:
            response = await send(client, call, headers)
            _judge(role, call, response, owner, report)
            if call.place == "no identifier" or _is_public(call, document):
                continue
            same = await send(client, control, headers)
            is_limited = _LIMITED in {response.status_code, same.status_code}
            if is_limited or learned(response) == learned(same):
                continue
            again = await send(client, control, headers)
            if learned(same) == learned(again):  # it does not differ by itself, as tokens do
                report.leaks.append(
                    f"{role}: {call.name}: {response.status_code} for a record that exists, and"
                    f" {same.status_code} or another response for one that does not"
                )
        for call in cursors:
            _judge(role, call, await send(client, call, headers), owner, report)
    if await _snapshot(client, document, owner) != before:
        report.leaks.append(f"{owner.name}'s records were changed by another account")
    await _find_void(client, document, owner, report)


def _judge(role: str, call: Call, response: httpx2.Response, owner: Tenant, report: Report) -> None:
    key = role, call.place.partition(" ")[0]
    report.requests[key] = report.requests.get(key, 0) + 1
    said = f"{response.text} {list(response.headers.values())}"
    sent = {*call.params.values(), *owner.ids.values()} if call.place != "no identifier" else set()
    seen = [text for text in owner.secrets if text in said and text not in sent]
    if owner.marker.encode() in response.content or seen:
        report.leaks.append(
            f"{role}: {call.name}: the response has a text of {owner.name}'s records"
        )
    elif call.is_declared and "{" in call.path and response.is_success:
        report.leaks.append(f"{role}: {call.name}: status {response.status_code}")


async def _snapshot(
    client: httpx2.AsyncClient, document: Document, owner: Tenant
) -> Sequence[tuple[str, int, str]]:
    """Return what the owner reads of all records."""
    found = []
    for call in calls(document, owner.ids):
        if call.method == "GET" and call.is_declared and _is_protected(call, document):
            response = await send(client, call, owner.headers)
            found.append((call.name, response.status_code, response.text))
    return found


def _is_public(call: Call, document: Document) -> bool:
    """Return whether an operation declares that it needs no account; /metrics changes by itself."""
    return bool(document["paths"][call.path][call.method.lower()].get("security") == [])


def _is_protected(call: Call, document: Document) -> bool:
    return bool(document["paths"][call.path][call.method.lower()].get("security"))


async def _cursors(client: httpx2.AsyncClient, document: Document, owner: Tenant) -> Sequence[Call]:
    """Return calls of lists with a cursor that the owner received."""
    found = []
    for call in calls(document, owner.ids):
        parameters = document["paths"][call.path][call.method.lower()].get("parameters", ())
        if call.method != "GET" or all(each.get("name") != "cursor" for each in parameters):
            continue
        first = Call(call.method, call.path, "cursor", call.url, {**call.params, "limit": "1"})
        response = await send(client, first, owner.headers)
        link = response.headers.get("link", "")
        if cursor := re.search(r"[?&]cursor=([\w-]+)", link):
            params = {**call.params, "cursor": cursor[1]}
            found.append(
                Call(call.method, call.path, "cursor", call.url, params, is_declared=False)
            )
    return found


async def _find_void(
    client: httpx2.AsyncClient, document: Document, owner: Tenant, report: Report
) -> None:
    """Note declared identifiers with which the owner has no success either."""
    for call in calls(document, owner.ids):
        if call.is_declared and call.place != "no identifier":
            response = await send(client, call, owner.headers)
            if not response.is_success:
                report.void.append(f"{call.name}: {response.status_code} for its owner")


async def lists_of(
    client: httpx2.AsyncClient, document: Document, headers: Mapping[str, str]
) -> Mapping[str, tuple[int, dict[str, str], str]]:
    """Return what the operations without an identifier tell an account, by name."""
    return {
        call.name: learned(await send(client, call, headers))
        for call in calls(_without_identifiers(document), {})
        if call.method == "GET" and _is_protected(call, document)
    }


def _without_identifiers(document: Document) -> Document:
    """Return the reading operations without an identifier in their path."""
    paths = {
        path: {
            method: {**operation, "parameters": []}
            for method, operation in operations.items()
            if method in {"get", "head"}
        }
        for path, operations in document["paths"].items()
        if "{" not in path
    }
    return {**document, "paths": paths}


def rows(report: Report, roles: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the results by role."""
    for role in roles:
        counts = {place: n for (of, place), n in report.requests.items() if of == role}
        leaks = [text for text in report.leaks if text.startswith(f"{role}:")]
        yield {"role": role, "requests": counts, "leaks": len(leaks)}
