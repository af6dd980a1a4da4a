"""Own steps of journeys, in a greenlet."""

import gevent

from straingauge.http import RequestFailed
from straingauge.http.exchange import timeout_failure
from straingauge.journey import Call
from straingauge.journey.call import call_failure


def run_call(call: Call, timeout_s: float) -> tuple[object, RequestFailed | None]:
    """Call a function; return its result, or the failure that ended it.

    Args:
        call: The call of a function without `async`.
        timeout_s: Timeout; it ends a call that waits, since gevent replaces what it waits with.
    """
    assert callable(call.function)
    with gevent.Timeout(timeout_s) as timeout:
        try:
            return call.function(*call.args, **call.kwargs), None
        except gevent.Timeout as error:
            if error is not timeout:
                raise
            return None, timeout_failure(timeout_s)
        except Exception as error:  # noqa: BLE001  any client's
            return None, call_failure(error)
