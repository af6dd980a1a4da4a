"""Mixes of journeys."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.errors import UsageError
from straingauge.journey import User, mix, tagged


def a(user: User):
    """One request."""
    yield user.get("/a")


@tagged("write", "slow")
def b(user: User):
    """One request, tagged."""
    yield user.get("/b")


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 1000))
def test_weights_are_exact_over_every_cycle(weights: list[int], start: int):
    """Any run as long as the weights' sum has each journey exactly as often as its weight."""
    journeys = [lambda user, n=n: (yield user.get(f"/{n}")) for n in range(len(weights))]
    mixed = mix(*zip(journeys, weights, strict=True))
    picked = Counter(mixed.pick(n) for n in range(start, start + sum(weights)))
    assert picked == dict(zip(journeys, weights, strict=True))


def test_a_mix_interleaves():
    """Journeys come evenly, not in blocks."""
    assert [mix((a, 3), (b, 1)).pick(n).__name__ for n in range(5)] == ["a", "a", "b", "a", "a"]


def test_tags_choose_journeys():
    """A mix can be narrowed by tags; an unknown tag is a usage error that names the known ones."""
    assert mix(a, b).tagged("slow").weights == ((b, 1),)
    with pytest.raises(UsageError) as caught:
        mix(a, b).tagged("quick")
    assert caught.value.hint == "known tags: slow, write"


@pytest.mark.parametrize("weights", [(), ((a, 0),), ((a, -1),)])
def test_a_mix_without_weight_is_refused(weights: tuple[object, ...]):
    """Nothing to run is a usage error."""
    with pytest.raises(UsageError):
        mix(*weights)
