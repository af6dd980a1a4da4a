"""The journeys: whether the account logs in, may do what they do, and finds data there."""

from collections.abc import Iterator, Mapping, Sequence

from straingauge.doctor.check_result import CheckContext, CheckResult
from straingauge.doctor.journey_run import JourneyRun, ResponseSummary, run_journey
from straingauge.http import ErrorKind
from straingauge.journey.execution import journey_name

ACCOUNTS = 2  # of the crowd; they show whether each user has one of its own
# draft-ietf-httpapi-ratelimit-headers, and what services sent before there was one.
_LIMIT_HEADERS = (
    "RateLimit-Policy",
    "RateLimit",
    "RateLimit-Limit",
    "X-RateLimit-Limit",
    "X-Rate-Limit-Limit",
)


def journeys(patient: CheckContext) -> Iterator[CheckResult]:
    """Log in, play each journey once, and look at what came back."""
    order = patient.order
    if order is None:
        advice = "straingauge doctor journeys.py: each journey is played once"
        yield CheckResult("journeys", "not seen", "no file with journeys was named", advice)
        return
    if not patient.answers:
        return
    crowd = order.crowd[:ACCOUNTS]
    visits: list[JourneyRun] = []
    if order.log_in is not None:
        visits = [run_journey(order, patient.url, order.log_in, "log_in", user) for user in crowd]
        line = _log_in(visits)
        yield line
        if line.state == "problem":
            return
        yield from _accounts([user.headers for user in crowd])
    for journey, _ in order.journeys.weights:
        visits.append(run_journey(order, patient.url, journey, journey_name(journey), crowd[0]))
    played = visits[len(crowd) if order.log_in else 0 :]
    yield from _role(played)
    yield from _data(played)
    yield from _others(played)
    yield _limits([answer for each in visits for answer in each.answers])


def _log_in(visits: Sequence[JourneyRun]) -> CheckResult:
    broken = next((each for each in visits if not each.ended), None)
    if broken is None:
        return CheckResult("log-in", "ok", f"{len(visits)} users log in")
    failed = [answer for answer in broken.answers if answer.kind]
    why = broken.broke or (_worded(failed[-1]) if failed else "it did not come to its end")
    return CheckResult(
        "log-in", "problem", why, "look at `account` and `log_in`, and create the account"
    )


def _accounts(headers: Sequence[Mapping[str, str]]) -> Iterator[CheckResult]:
    tokens = [each.get("Authorization") for each in headers]
    if len(tokens) > 1 and tokens[0] and len(set(tokens)) == 1:
        yield CheckResult(
            "accounts",
            "warning",
            "two users are one account: limits by user bite sooner, caches are hotter",
            "let account(index) give each user one of its own",
        )


def _role(visits: Sequence[JourneyRun]) -> Iterator[CheckResult]:
    denied = [answer for answer in _failures(visits) if answer.status in (401, 403)]
    if denied:
        advice = "give the account the role these endpoints ask for, or log it in"
        yield CheckResult("role", "problem", _listed(denied), advice)
    else:
        yield CheckResult("role", "ok", "no journey is denied anything")


def _data(visits: Sequence[JourneyRun]) -> Iterator[CheckResult]:
    """An id that is not there, a content that is not as expected, a journey that finds nothing."""
    missing = [
        answer
        for answer in _failures(visits)
        if answer.status in (404, 410) or answer.kind is ErrorKind.FAILED_CHECK
    ]
    broke = [f"{each.journey}: {each.broke}" for each in visits if each.broke]
    if missing or broke:
        words = "; ".join(filter(None, (_listed(missing), *broke)))
        advice = "seed the service's data, as the journeys expect it"
        yield CheckResult("data", "problem", words, advice)
    else:
        yield CheckResult("data", "ok", "each journey finds what it looks for")


def _others(visits: Sequence[JourneyRun]) -> Iterator[CheckResult]:
    known = (401, 403, 404, 410, 429)
    failed = [
        answer
        for answer in _failures(visits)
        if answer.status not in known and answer.kind is not ErrorKind.FAILED_CHECK
    ]
    if failed:
        yield CheckResult("journeys", "problem", _listed(failed), "look into the service's log")
    else:
        names = ", ".join(each.journey for each in visits)
        yield CheckResult("journeys", "ok", f"played once: {names}")


def _limits(answers: Sequence[ResponseSummary]) -> CheckResult:
    """A limiter that is on is what a load beyond it would measure."""
    refused = [answer for answer in answers if answer.status == 429]
    told = {
        f"{name}: {answer.headers[name]} (at {answer.endpoint})"
        for answer in answers
        for name in _LIMIT_HEADERS
        if answer.headers and name in answer.headers
    }
    advice = "spread the load over more users, or turn limits off for tests of anything else"
    if refused:
        return CheckResult(
            "limits", "problem", f"{_listed(refused)}: they are on, and used up", advice
        )
    if told:
        return CheckResult("limits", "warning", f"they are on: {min(told)}", advice)
    return CheckResult("limits", "ok", "no answer tells of a rate limit")


def _failures(visits: Sequence[JourneyRun]) -> list[ResponseSummary]:
    return [answer for each in visits for answer in each.answers if answer.kind]


def _listed(answers: Sequence[ResponseSummary]) -> str:
    return "; ".join(dict.fromkeys(map(_worded, answers)))


def _worded(answer: ResponseSummary) -> str:
    return f"{answer.endpoint}: {answer.detail}"
