from collections.abc import Callable

import numpy as np
import pytest
from straingauge.ab import Requests, SlotPlan, SlotResult, Trial, changes, is_conclusive, run_trial
from straingauge.ab.request_log import RequestLog
from straingauge.ab.slot_plan import NAMES, Gate, Name
from straingauge.errors import TargetError
from straingauge.http import ErrorKind, RequestFailed

SLOT_NS = 100_000_000
PAIRS = 300


def requests(random: np.random.Generator, machine: np.ndarray, factor: float = 1.0) -> Requests:
    """Six requests in each turn, log-normal, slower when the machine is."""
    pairs = np.repeat(np.arange(machine.size), 6)
    took_ms = 10 * factor * np.exp(random.normal(0, 0.25, pairs.size) + machine[pairs])
    return Requests(pairs, took_ms, total=pairs.size)


def both(seed: int, factor: float = 1.0) -> dict[str, dict[Name, Requests]]:
    """A trial on a machine that drifts by tens of percent, in which one endpoint is slower."""
    random = np.random.default_rng(seed)
    drift = 0.4 * np.sin(np.linspace(0, 9, PAIRS)) + 0.02 * random.standard_t(3, PAIRS).cumsum()
    found: dict[str, dict[Name, Requests]] = {}
    for endpoint, slower in (("GET /a", factor), ("GET /b", 1.0)):
        # Within a pair the two plan are a little apart; which is first is drawn.
        machines = [drift + random.normal(0, 0.1, PAIRS) for _ in NAMES]
        found[endpoint] = {
            variant: requests(random, machine, slower if variant == "head" else 1.0)
            for variant, machine in zip(NAMES, machines, strict=True)
        }
    return found


def test_each_pair_has_a_turn_of_both_and_chance_says_who_is_first():
    """In each pair both variants have one slot; each of them is first about half of the time."""
    plan = SlotPlan(0, SLOT_NS, 1000, seed=1)
    base, head = plan.slots("base"), plan.slots("head")
    assert sorted([*base.tolist(), *head.tolist()]) == list(range(2000))
    assert base.tolist() != head.tolist()
    assert 440 < (base < head).sum() < 560
    assert (base // 2 == head // 2).all()


def test_a_request_belongs_to_the_turn_it_was_sent_in():
    """Requests outside of a variant's slots are in no pair."""
    plan = SlotPlan(1000, SLOT_NS, 5, seed=3)
    slots = plan.slots("base")
    own = 1000 + slots * SLOT_NS + 1
    others = 1000 + plan.slots("head") * SLOT_NS + 1
    assert plan.pair_of("base", own).tolist() == [0, 1, 2, 3, 4]
    outside = np.array([*others.tolist(), 999, plan.end_ns])
    assert plan.pair_of("base", outside).tolist() == [-1] * 7


def test_a_gate_opens_in_each_own_turn_and_closes_after_the_last():
    """Waiting as long as the gate says leads to each own turn, one after the other."""
    plan = SlotPlan(10**9, SLOT_NS, 50, seed=4)
    for variant in NAMES:
        gate, now_ns, seen = Gate(plan, variant), 0, []
        while (wait_s := gate.wait_s(now_ns)) != float("inf"):
            now_ns += round(wait_s * 1e9)
            assert gate.wait_s(now_ns) == 0
            seen.append((now_ns - plan.start_ns) // SLOT_NS)
            now_ns = plan.start_ns + (seen[-1] + 1) * SLOT_NS
        assert seen == plan.slots(variant).tolist()


def test_each_request_is_counted_in_its_turn_and_by_what_became_of_it():
    """Requests in the other variant's slots are skipped; failures have no time."""
    plan = SlotPlan(0, SLOT_NS, 3, seed=5)
    own, others = plan.slots("head") * SLOT_NS, plan.slots("base") * SLOT_NS
    log = RequestLog()
    sink = log.endpoint_sink("main", "GET /", 0)
    for sent_ns in (*own.tolist(), *others.tolist()):
        sink.add(sent_ns, sent_ns, 0, sent_ns + 7_000_000, 200, None)
    sink.add_failure(
        own[0], own[0], 0, own[0] + 1, RequestFailed(ErrorKind.BAD_STATUS, "answered 500")
    )
    sink.add_failure(
        own[1], own[1], 0, own[1] + 1, RequestFailed(ErrorKind.RATE_LIMITED, "answered 429")
    )
    sink.add_failure(
        others[2], others[2], 0, others[2], RequestFailed(ErrorKind.TIMEOUT, "too late")
    )
    found = log.requests(plan, "head")["GET /"]
    assert (found.pairs.tolist(), found.took_ms.tolist()) == ([0, 1, 2], [7, 7, 7])
    assert (found.total, found.errors, found.rate_limited) == (5, 1, 1)
    assert log.problems["GET /: bad_status"] == "answered 500"


def test_nobody_there_is_noticed():
    """Fifty failed requests in a row end it, and one response resets the count."""
    log = RequestLog()
    sink = log.endpoint_sink("main", "GET /", 0)
    for number in range(60):
        assert not log.is_unreachable
        sink.add_failure(1, 1, 0, 2, RequestFailed(ErrorKind.REFUSED, "connection refused"))
        if number == 10:
            sink.add(1, 1, 2, 3, 200, None)
    sink.add_failure(1, 1, 0, 2, RequestFailed(ErrorKind.REFUSED, "connection refused"))
    assert log.is_unreachable


def test_parts_follow_each_other():
    """The pairs of a later part are numbered on from those before, and all counts are added."""
    first = Requests(np.array([0, 1]), np.array([1.0, 2.0]), errors=1, rate_limited=2, total=5)
    both = first.followed_by(first, 10)
    assert both.pairs.tolist() == [0, 1, 10, 11]
    assert both.took_ms.tolist() == [1, 2, 1, 2]
    assert (both.errors, both.rate_limited, both.total) == (2, 4, 10)


def test_equal_builds_are_not_called_worse():
    """Of 40 trials of equal builds on a machine that drifts, at most one says worse or better."""
    wrong = 0
    for seed in range(40):
        found = changes(both(seed), PAIRS)
        wrong += any(change.verdict in ("worse", "better") for change in found)
    assert wrong <= 1


def test_ten_percent_on_one_endpoint_are_found():
    """Of 20 trials in which one endpoint is 10 % slower all find it there, and none elsewhere."""
    for seed in range(20):
        found = changes(both(100 + seed, factor=1.1), PAIRS)
        worse = {change.endpoint for change in found if change.verdict == "worse"}
        assert worse == {"GET /a"}


def test_it_may_end_when_each_median_is_known():
    """It is conclusive when each endpoint's median is worse, better or the same, and not before."""
    assert not is_conclusive([])
    assert not is_conclusive(changes(both(1), PAIRS, look=0.25))
    random = np.random.default_rng(1)
    plain: dict[Name, Requests] = {
        "base": requests(random, np.zeros(3000)),
        "head": requests(random, np.zeros(3000), factor=1.1),
    }
    found = changes({"GET /a": plain}, 3000)
    assert is_conclusive(found)
    # A whole that is worse does not say which endpoint is: that is waited for.
    assert not is_conclusive([change for change in found if not change.endpoint])


def test_few_requests_tell_nothing():
    """An endpoint that was hardly called has no interval, and says why."""
    few = {variant: Requests(np.array([0, 1]), np.array([1.0, 2.0]), total=2) for variant in NAMES}
    change = changes({"GET /a": few}, 2)[1]
    assert (change.verdict, change.low) == ("inconclusive", None)
    assert change.reason == "too few blocks with enough requests: 0"


def test_fewer_requests_served_in_a_turn_are_worse():
    """The whole is worse where head serves less in its plan, and better where it serves more."""
    random = np.random.default_rng(3)
    many, few = requests(random, np.zeros(100)), requests(random, np.zeros(100))
    few = Requests(few.pairs[::2], few.took_ms[::2], total=few.pairs.size // 2)
    slower = changes({"GET /": {"base": many, "head": few}}, 100)[0]
    quicker = changes({"GET /": {"base": few, "head": many}}, 100)[0]
    assert (slower.verdict, quicker.verdict) == ("worse", "better")


def test_more_errors_are_worse():
    """A variant that answers with errors is worse, however quick it is."""
    random = np.random.default_rng(2)
    base = requests(random, np.zeros(100))
    head = Requests(base.pairs, base.took_ms, errors=30, total=base.total + 30)
    found = {
        change.metric: change for change in changes({"GET /": {"base": base, "head": head}}, 99 + 1)
    }
    assert found["errors %"].verdict == "worse"


class Pretended:
    """A worker that runs nothing and returns what it was given."""

    def __init__(self, variant: Name, result: Callable[[SlotPlan], SlotResult]) -> None:
        self._side = variant
        self._played = result
        self.stopped = False

    def start(self, plan: SlotPlan) -> None:
        """Take the plan."""
        self._turns = plan

    def stop(self) -> None:
        """Remember it."""
        self.stopped = True

    def ready(self, _within_s: float) -> bool:
        """At once."""
        return True

    def result(self) -> SlotResult:
        """Return the data."""
        return self._played(self._turns)


def even(plan: SlotPlan) -> SlotResult:
    """Requests that all took the same."""
    pairs = np.repeat(np.arange(plan.pairs), 20)
    return SlotResult({"GET /": Requests(pairs, np.full(pairs.size, 5.0), total=pairs.size)}, 0.1)


def trial(
    base: Callable[[SlotPlan], SlotResult],
    head: Callable[[SlotPlan], SlotResult],
    check_alive: Callable[[], None] = lambda: None,
) -> Trial:
    """A trial of two that only pretend."""
    workers = {"base": Pretended("base", base), "head": Pretended("head", head)}
    return run_trial(workers, budget_s=10, margin_percent=3, check_alive=check_alive)  # type: ignore[arg-type]


def test_what_is_plain_ends_early():
    """Two identical builds are not called different at the first look."""
    found = trial(even, even)
    assert (found.pairs, found.ended, found.invalid()) == (25, None, None)
    assert {change.verdict for change in found.changes if change.unit == "%"} <= {
        "same",
        "inconclusive",
    }


def test_a_service_that_dies_ends_it_and_what_was_measured_is_kept():
    """Without responses the comparison ends with the reason, and keeps the data until then."""

    def is_unreachable(plan: SlotPlan) -> SlotResult:
        return SlotResult(
            even(plan).endpoints, 0.1, {"GET /: refused": "connection refused"}, is_unreachable=True
        )

    def dead() -> None:
        raise TargetError("head died during the trial")

    found = trial(even, is_unreachable, dead)
    assert found.ended == "head died during the trial"
    assert isinstance(found.error, TargetError)
    assert found.pairs > 0
    assert found.endpoints["GET /"]["base"].total == 20 * found.pairs
    assert found.problems == {"head: GET /: refused": "connection refused"}
    assert found.changes


def test_ctrl_c_ends_it_and_what_was_measured_is_kept():
    """An interrupted trial has its workers stopped, and judges what there is."""
    calls = []

    def interrupted(plan: SlotPlan) -> SlotResult:
        calls.append(plan)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return even(plan)

    found = trial(interrupted, even)
    assert found.ended == "interrupted"
    assert found.pairs == 25


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (SlotResult({"GET /": Requests(total=100, rate_limited=9)}, 0.1), "rate limited"),
        (SlotResult({"GET /": Requests(total=100)}, 0.95), "used up its core"),
        (SlotResult({}, 0.1), "nothing to compare"),
    ],
)
def test_a_trial_that_proves_nothing_says_so(result: SlotResult, why: str):
    """Rate limits, a generator without time, or no request at all make a trial invalid."""
    found = trial(lambda _: result, lambda _: result)
    assert why in str(found.invalid())
