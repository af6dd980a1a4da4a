"""Checks of the journeys: log-in, permissions, data and rate limits."""

from collections.abc import Iterator, Mapping, Sequence

from straingauge.doctor.check_result import CheckContext, CheckResult
from straingauge.doctor.journey_run import JourneyRun, ResponseSummary, run_journey
from straingauge.http import ErrorKind
from straingauge.journey.execution import journey_name
from straingauge.number_text import count

ACCOUNTS = 2  # enough to show whether each user has a different one
# draft-ietf-httpapi-ratelimit-headers, and earlier conventions.
_LIMIT_HEADERS = (
    "RateLimit-Policy",
    "RateLimit",
    "RateLimit-Limit",
    "X-RateLimit-Limit",
    "X-Rate-Limit-Limit",
)


def journeys(context: CheckContext) -> Iterator[CheckResult]:
    """Log in, run each journey once, and check the responses."""
    spec = context.spec
    if spec is None:
        advice = "run each journey once: straingauge doctor journeys.py"
        yield CheckResult("journeys", "skipped", "no file with journeys was given", advice)
        return
    if not context.answers:
        return
    users = spec.users[:ACCOUNTS]
    runs: list[JourneyRun] = []
    if spec.log_in is not None:
        runs = [run_journey(spec, context.url, spec.log_in, "log_in", user) for user in users]
        line = _log_in(runs)
        yield line
        if line.state == "problem":
            return
        yield from _accounts([user.headers for user in users])
    for journey, _ in spec.journeys.weights:
        runs.append(run_journey(spec, context.url, journey, journey_name(journey), users[0]))
    played = runs[len(users) if spec.log_in else 0 :]
    yield from _role(played)
    yield from _data(played)
    yield from _others(played)
    yield _limits([answer for each in runs for answer in each.outcomes])


def _log_in(runs: Sequence[JourneyRun]) -> CheckResult:
    broken = next((each for each in runs if not each.is_complete), None)
    if broken is None:
        return CheckResult("log-in", "ok", f"{count(len(runs), 'user')} log in")
    failed = [answer for answer in broken.outcomes if answer.kind]
    why = broken.error or (_worded(failed[-1]) if failed else "it was not completed")
    return CheckResult(
        "log-in", "problem", why, "check `account` and `log_in`, and create the account"
    )


def _accounts(headers: Sequence[Mapping[str, str]]) -> Iterator[CheckResult]:
    tokens = [each.get("Authorization") for each in headers]
    if len(tokens) > 1 and tokens[0] and len(set(tokens)) == 1:
        yield CheckResult(
            "accounts",
            "warning",
            "users share an account: per-user limits trigger earlier, and caches are "
            "unrealistically warm",
            "return a different account for each user from account(index)",
        )


def _role(runs: Sequence[JourneyRun]) -> Iterator[CheckResult]:
    denied = [answer for answer in _failures(runs) if answer.status in (401, 403)]
    if denied:
        advice = "give the account the role that these endpoints require, or log it in"
        yield CheckResult("role", "problem", _listed(denied), advice)
    else:
        yield CheckResult("role", "ok", "no request is denied")


def _data(runs: Sequence[JourneyRun]) -> Iterator[CheckResult]:
    """Check for missing ids, unexpected content, and journeys that raise."""
    missing = [
        answer
        for answer in _failures(runs)
        if answer.status in (404, 410) or answer.kind is ErrorKind.FAILED_CHECK
    ]
    errors = [f"{each.journey}: {each.error}" for each in runs if each.error]
    if missing or errors:
        words = "; ".join(filter(None, (_listed(missing), *errors)))
        advice = "seed the data that the journeys expect"
        yield CheckResult("data", "problem", words, advice)
    else:
        yield CheckResult("data", "ok", "each journey finds its data")


def _others(runs: Sequence[JourneyRun]) -> Iterator[CheckResult]:
    known = (401, 403, 404, 410, 429)
    failed = [
        answer
        for answer in _failures(runs)
        if answer.status not in known and answer.kind is not ErrorKind.FAILED_CHECK
    ]
    if failed:
        yield CheckResult("journeys", "problem", _listed(failed), "see the service's log")
    else:
        names = ", ".join(each.journey for each in runs)
        yield CheckResult("journeys", "ok", f"ran once: {names}")


def _limits(answers: Sequence[ResponseSummary]) -> CheckResult:
    """Check for rate limits, since a load above them measures only the limiter."""
    refused = [answer for answer in answers if answer.status == 429]
    limits = {
        f"{name}: {answer.headers[name]} (at {answer.endpoint})"
        for answer in answers
        for name in _LIMIT_HEADERS
        if answer.headers and name in answer.headers
    }
    advice = "use more users, or turn rate limits off for other tests"
    if refused:
        return CheckResult(
            "limits", "problem", f"{_listed(refused)}: rate limits are on, and used up", advice
        )
    if limits:
        return CheckResult("limits", "warning", f"rate limits are on: {min(limits)}", advice)
    return CheckResult("limits", "ok", "no response mentions a rate limit")


def _failures(runs: Sequence[JourneyRun]) -> list[ResponseSummary]:
    return [answer for each in runs for answer in each.outcomes if answer.kind]


def _listed(answers: Sequence[ResponseSummary]) -> str:
    return "; ".join(dict.fromkeys(map(_worded, answers)))


def _worded(answer: ResponseSummary) -> str:
    return f"{answer.endpoint}: {answer.detail}"
