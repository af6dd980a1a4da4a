"""The messages between a Locust master and its workers.

worker                          master
REGISTER(modules, sent_ns) ->   REGISTERED(now_ns, refused, run)
PING(sent_ns)              ->   PONG(now_ns)
                           <-   RUN_STARTED(run)
"stats", every 3 s         ->                         Locust's own, with a report under REPORT
                           <-   RESET_STATS           Locust's statistics were reset
                           <-   STOP_USERS            the run is over
FINAL_REPORT               ->   FINAL_REPORT_RECEIVED repeated until it is acknowledged
SETUP_FAILED               ->                         a user could not start
TAKE_ROWS(feeder, count)   ->   ROWS_GIVEN(first, count)
LOAD_END(reason)           ->                         a feeder has no further row
"""

from dataclasses import dataclass
from typing import Final

REGISTER: Final = "straingauge_register"
REGISTERED: Final = "straingauge_registered"
PING: Final = "straingauge_ping"
PONG: Final = "straingauge_pong"
RUN_STARTED: Final = "straingauge_run_started"
RESET_STATS: Final = "straingauge_reset_stats"
STOP_USERS: Final = "straingauge_stop_users"
FINAL_REPORT: Final = "straingauge_final_report"
FINAL_REPORT_RECEIVED: Final = "straingauge_final_report_received"
SETUP_FAILED: Final = "straingauge_setup_failed"
TAKE_ROWS: Final = "straingauge_take_rows"
ROWS_GIVEN: Final = "straingauge_rows_given"
LOAD_END: Final = "straingauge_load_end"
REPORT: Final = "straingauge_report"
"""The key of straingauge's report in Locust's own."""


@dataclass(frozen=True, slots=True)
class RunAssignment:
    """A worker's part in a run.

    Attributes:
        run_id: Identifies the run.
        start_ns: When it started, by the master's clock.
        first_user: Number of this worker's first user.
        user_step: Step from each of its users' numbers to the next.
    """

    run_id: int
    start_ns: int
    first_user: int
    user_step: int
