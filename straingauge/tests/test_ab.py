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
    """Return six log-normal requests per slot, slower when the machine is slower."""
    pairs = np.repeat(np.arange(machine.size), 6)
    took_ms = 10 * factor * np.exp(random.normal(0, 0.25, pairs.size) + machine[pairs])
    return Requests(pairs, took_ms, total=pairs.size)


def both(seed: int, factor: float = 1.0) -> dict[str, dict[Name, Requests]]:
    """Simulate both variants, one endpoint slower, on a machine that drifts by tens of percent."""
    random = np.random.default_rng(seed)
    drift = 0.4 * np.sin(np.linspace(0, 9, PAIRS)) + 0.02 * random.standard_t(3, PAIRS).cumsum()
    found: dict[str, dict[Name, Requests]] = {}
    for endpoint, slower in (("GET /a", factor), ("GET /b", 1.0)):
        # Within a pair the two slots are a little apart; which is first is random.
        machines = [drift + random.normal(0, 0.1, PAIRS) for _ in NAMES]
        found[endpoint] = {
            variant: requests(random, machine, slower if variant == "head" else 1.0)
            for variant, machine in zip(NAMES, machines, strict=True)
        }
    return found


def test_slots_of_a_pair_are_in_random_order():
    """In each pair both variants have one slot, and each is first about half of the time."""
    plan = SlotPlan(0, SLOT_NS, 1000, seed=1)
    base, head = plan.slots("base"), plan.slots("head")
    assert sorted([*base.tolist(), *head.tolist()]) == list(range(2000))
    assert base.tolist() != head.tolist()
    assert 440 < (base < head).sum() < 560
    assert (base // 2 == head // 2).all()


def test_a_request_belongs_to_the_slot_in_which_it_was_sent():
    """Requests outside of a variant's slots are in no pair."""
    plan = SlotPlan(1000, SLOT_NS, 5, seed=3)
    slots = plan.slots("base")
    own = 1000 + slots * SLOT_NS + 1
    others = 1000 + plan.slots("head") * SLOT_NS + 1
    assert plan.pair_of("base", own).tolist() == [0, 1, 2, 3, 4]
    outside = np.array([*others.tolist(), 999, plan.end_ns])
    assert plan.pair_of("base", outside).tolist() == [-1] * 7


def test_a_gate_opens_in_each_slot_and_closes_after_the_last():
    """Waiting for the time that the gate returns leads to each slot of the variant, in order."""
    plan = SlotPlan(10**9, SLOT_NS, 50, seed=4)
    for variant in NAMES:
        gate, now_ns, seen = Gate(plan, variant), 0, []
        while (wait_s := gate.wait_s(now_ns)) != float("inf"):
            now_ns += round(wait_s * 1e9)
            assert gate.wait_s(now_ns) == 0
            seen.append((now_ns - plan.start_ns) // SLOT_NS)
            now_ns = plan.start_ns + (seen[-1] + 1) * SLOT_NS
        assert seen == plan.slots(variant).tolist()


def test_requests_are_counted_by_slot_and_outcome():
    """Requests in the other variant's slots are not counted, and failures have no time."""
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


def test_an_unreachable_service_is_detected():
    """Fifty failed requests in a row make it unreachable, and one response resets the count."""
    log = RequestLog()
    sink = log.endpoint_sink("main", "GET /", 0)
    for number in range(60):
        assert not log.is_unreachable
        sink.add_failure(1, 1, 0, 2, RequestFailed(ErrorKind.REFUSED, "connection refused"))
        if number == 10:
            sink.add(1, 1, 2, 3, 200, None)
    sink.add_failure(1, 1, 0, 2, RequestFailed(ErrorKind.REFUSED, "connection refused"))
    assert log.is_unreachable


def test_parts_are_concatenated():
    """The pairs of a later part are numbered on from those before, and all counts are added."""
    first = Requests(np.array([0, 1]), np.array([1.0, 2.0]), errors=1, rate_limited=2, total=5)
    both = first.followed_by(first, 10)
    assert both.pairs.tolist() == [0, 1, 10, 11]
    assert both.took_ms.tolist() == [1, 2, 1, 2]
    assert (both.errors, both.rate_limited, both.total) == (2, 4, 10)


def test_equal_builds_are_rarely_worse():
    """Of 40 trials of equal builds on a machine that drifts, at most one finds a difference."""
    wrong = 0
    for seed in range(40):
        found = changes(both(seed), PAIRS)
        wrong += any(change.verdict in ("worse", "better") for change in found)
    assert wrong <= 1


def test_ten_percent_on_one_endpoint_is_found():
    """All of 20 trials with one endpoint 10 % slower find it there, and nothing elsewhere."""
    for seed in range(20):
        found = changes(both(100 + seed, factor=1.1), PAIRS)
        worse = {change.endpoint for change in found if change.verdict == "worse"}
        assert worse == {"GET /a"}


def test_a_trial_is_conclusive_when_each_median_has_a_verdict():
    """Worse, better and the same are verdicts on a median; inconclusive is not."""
    assert not is_conclusive([])
    assert not is_conclusive(changes(both(1), PAIRS, look=0.25))
    random = np.random.default_rng(1)
    plain: dict[Name, Requests] = {
        "base": requests(random, np.zeros(3000)),
        "head": requests(random, np.zeros(3000), factor=1.1),
    }
    found = changes({"GET /a": plain}, 3000)
    assert is_conclusive(found)
    # A worse throughput does not say which endpoint is slower.
    assert not is_conclusive([change for change in found if not change.endpoint])


def test_few_requests_are_inconclusive():
    """An endpoint with few requests has no interval, and the reason is given."""
    few = {variant: Requests(np.array([0, 1]), np.array([1.0, 2.0]), total=2) for variant in NAMES}
    change = changes({"GET /a": few}, 2)[1]
    assert (change.verdict, change.low) == ("inconclusive", None)
    assert change.reason == "too few blocks with enough requests: 0"


def test_fewer_requests_per_slot_are_worse():
    """Throughput is worse if head serves fewer requests per slot, and better if it serves more."""
    random = np.random.default_rng(3)
    many, few = requests(random, np.zeros(100)), requests(random, np.zeros(100))
    few = Requests(few.pairs[::2], few.took_ms[::2], total=few.pairs.size // 2)
    slower = changes({"GET /": {"base": many, "head": few}}, 100)[0]
    quicker = changes({"GET /": {"base": few, "head": many}}, 100)[0]
    assert (slower.verdict, quicker.verdict) == ("worse", "better")


def test_more_errors_are_worse():
    """A variant that responds with errors is worse, however fast it is."""
    random = np.random.default_rng(2)
    base = requests(random, np.zeros(100))
    head = Requests(base.pairs, base.took_ms, errors=30, total=base.total + 30)
    found = {
        change.metric: change for change in changes({"GET /": {"base": base, "head": head}}, 99 + 1)
    }
    assert found["errors %"].verdict == "worse"


class WorkerWithResult:
    """A worker that sends no load and returns a given result."""

    def __init__(self, variant: Name, result: Callable[[SlotPlan], SlotResult]) -> None:
        self._variant = variant
        self._result = result
        self.stopped = False

    def start(self, plan: SlotPlan) -> None:
        """Keep the plan."""
        self._plan = plan

    def stop(self) -> None:
        """Note that it was stopped."""
        self.stopped = True

    def ready(self, _within_s: float) -> bool:
        """Return true."""
        return True

    def result(self) -> SlotResult:
        """Return the data."""
        return self._result(self._plan)


def constant_times(plan: SlotPlan) -> SlotResult:
    """Return requests that all took 5 ms."""
    pairs = np.repeat(np.arange(plan.pairs), 20)
    return SlotResult({"GET /": Requests(pairs, np.full(pairs.size, 5.0), total=pairs.size)}, 0.1)


def run(
    base: Callable[[SlotPlan], SlotResult],
    head: Callable[[SlotPlan], SlotResult],
    check_alive: Callable[[], None] = lambda: None,
) -> Trial:
    """Run a trial of two workers with given results."""
    workers = {"base": WorkerWithResult("base", base), "head": WorkerWithResult("head", head)}
    return run_trial(workers, budget_s=10, margin_percent=3, check_alive=check_alive)  # type: ignore[arg-type]


def test_identical_builds_end_early():
    """Two identical builds end the trial at the first analysis, with no difference."""
    found = run(constant_times, constant_times)
    assert (found.pairs, found.ended, found.invalid()) == (25, None, None)
    assert {change.verdict for change in found.changes if change.unit == "%"} <= {
        "same",
        "inconclusive",
    }


def test_a_service_that_dies_ends_the_trial():
    """Without responses the trial ends with the reason, and keeps the data until then."""

    def unreachable(plan: SlotPlan) -> SlotResult:
        return SlotResult(
            constant_times(plan).endpoints,
            0.1,
            {"GET /: refused": "connection refused"},
            is_unreachable=True,
        )

    def dead() -> None:
        raise TargetError("head died during the trial")

    found = run(constant_times, unreachable, dead)
    assert found.ended == "head died during the trial"
    assert isinstance(found.error, TargetError)
    assert found.pairs > 0
    assert found.endpoints["GET /"]["base"].total == 20 * found.pairs
    assert found.problems == {"head: GET /: refused": "connection refused"}
    assert found.changes


def test_ctrl_c_ends_the_trial():
    """An interrupted trial stops its workers, and analyses the data until then."""
    calls = []

    def interrupted(plan: SlotPlan) -> SlotResult:
        calls.append(plan)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return constant_times(plan)

    found = run(interrupted, constant_times)
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
def test_invalid_trials(result: SlotResult, why: str):
    """Rate limits, a saturated generator and no requests make a trial invalid."""
    found = run(lambda _: result, lambda _: result)
    assert why in str(found.invalid())
