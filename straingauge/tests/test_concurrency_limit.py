"""A journey that only a few users run at a time."""

from straingauge.http import Request, Response
from straingauge.journey import Execution, Pause, User, limit_concurrency

FINE = Response(User(0).get("/"), 200, b"", b"{}")


def test_few_play_at_a_time_and_the_others_get_their_turn():
    """Of five users two begin; each that ends, or is given up, lets the next one begin."""

    @limit_concurrency(2)
    def journey(user: User):
        yield user.get("/")

    plays = [Execution(journey, User(index)) for index in range(5)]
    steps = [play.begin() for play in plays]
    assert [isinstance(step, Request) for step in steps] == [True, True, False, False, False]
    assert isinstance(plays[2].resume(), Pause)
    assert plays[0].answer(FINE) is None
    assert isinstance(plays[2].resume(), Request)
    assert isinstance(plays[3].resume(), Pause)
    plays[1].close()
    assert isinstance(plays[3].resume(), Request)
