"""Sessions of an access log, and the users and processes that send them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.errors import UsageError
from straingauge.replay import RecordedRequest
from straingauge.replay.request_table import RequestTable
from straingauge.replay.sessions import GAP_NS, assign_users
from straingauge.replay.timing import SECOND_NS
from straingauge.schedule import recorded

INSTANTS = st.lists(st.integers(0, 60 * SECOND_NS), min_size=1, max_size=40).map(sorted)


@given(
    st.lists(st.tuples(st.integers(0, 60 * SECOND_NS), st.integers(0, 9)), min_size=1),
    st.integers(1, 12),
)
@settings(max_examples=100)
def test_sessions_share_users_only_if_they_must(requests: list[tuple[int, int]], most: int):
    """A user has one session at a time, unless there are more at once than users."""
    requests = sorted(requests)
    at_ns = np.array([at for at, _ in requests], dtype=np.int64)
    session = np.array([number for _, number in requests], dtype=np.uint32)
    users, shared = assign_users(at_ns, session, most)
    spans: dict[int, list[tuple[int, int]]] = {}
    for number in set(session.tolist()):
        own = at_ns[session == number]
        spans.setdefault(int(users[number]), []).append((int(own[0]), int(own[-1])))
    assert len(spans) <= most
    assert sorted(spans) == list(range(len(spans)))
    overlaps = [
        (before, after)
        for each in spans.values()
        for before, after in pairwise(sorted(each))
        if after[0] <= before[1]
    ]
    assert bool(overlaps) <= (len(spans) == most)
    assert bool(overlaps) == bool(shared)
    if len(spans) < most:
        for each in spans.values():
            for before, after in pairwise(sorted(each)):
                assert after[0] > before[1] + GAP_NS


@given(INSTANTS, st.integers(1, 4), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_shares_are_the_whole(instants: list[int], processes: int, random: object):
    """Each request is in the share of one process, that of its user."""
    users = [random.randrange(6) for _ in instants]
    whole = recorded(np.array(instants, dtype=np.int64), np.array(users, dtype=np.uint32))
    assert whole.duration_s >= instants[-1] / 1e9
    assert whole.arrivals(whole.count) is None
    shares = [whole.share_by_user(i, processes) for i in range(processes)]
    numbers = [n for each in shares for n in each.numbers.tolist()]
    assert sorted(numbers) == list(range(len(instants)))
    for i, each in enumerate(shares):
        assert {user % processes for user in each.user_index.tolist()} <= {i}
        assert [whole.arrivals(n) for n in each.numbers.tolist()] == [
            each.arrivals(n) for n in range(each.count)
        ]


def test_recorded_arrivals_are_in_order():
    """Instants out of order, before the start, or none at all are refused."""
    for instants in ([], [1, 0], [-1]):
        with pytest.raises(UsageError):
            recorded(np.array(instants, dtype=np.int64), np.zeros(len(instants), dtype=np.uint32))


@given(st.lists(st.tuples(st.sampled_from(["GET", "POST"]), st.text(), st.integers(0, 599))))
@settings(max_examples=50)
def test_a_table_keeps_its_requests(requests: list[tuple[str, str, int]]):
    """Requests come back as they went in, in any number."""
    table = RequestTable()
    for number, (method, text, status) in enumerate(requests):
        target = f"/{text.encode('unicode_escape').decode('ascii')}"
        session = None if number % 3 == 0 else (text, method)
        table.add(RecordedRequest(method, target, status, number), session)
    assert len(table) == len(requests)
    for number, (method, text, status) in enumerate(requests):
        target = f"/{text.encode('unicode_escape').decode('ascii')}"
        assert table.request(number) == RecordedRequest(method, target, status, number)
