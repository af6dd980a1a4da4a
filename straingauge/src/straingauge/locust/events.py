"""Where straingauge listens to Locust: its public events, and nothing else."""

import logging
import signal
import sys
from collections.abc import Callable
from weakref import WeakKeyDictionary

import gevent
from gevent.event import Event
from locust import events
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from straingauge.errors import StraingaugeError
from straingauge.locust.distributed.deduplication import DeduplicatingFilter
from straingauge.locust.distributed.fingerprint import all_modules, modules_below
from straingauge.locust.distributed.master import MasterSide
from straingauge.locust.distributed.worker import STOP, WorkerSide
from straingauge.locust.options import (
    add_options,
    locustfile_of,
    observing,
    options_of,
    results_of,
    thresholds_of,
)
from straingauge.locust.outcome import ResultBuilder
from straingauge.locust.port_in_use import explain_port_in_use
from straingauge.locust.session import SETUP_FAILED, Session
from straingauge.locust.stats.locust_reports import Html, await_csv
from straingauge.locust.target import require_allowed
from straingauge.locust.user.selection import selected_classes
from straingauge.locust.web import add_page
from straingauge.verdict import Thresholds

_sessions: WeakKeyDictionary[Environment, Session] = WeakKeyDictionary()

events.init_command_line_parser.add_listener(add_options)
explain_port_in_use()


_initialised = Event()


def session_of(environment: Environment) -> Session:
    """What straingauge keeps for this Locust process."""
    return _sessions[environment]


@events.init.add_listener
def _begin(environment: Environment, **_: object) -> None:
    """Set up this process; what is wrong ends Locust with a line or two and no traceback.

    Raises:
        SystemExit: The thresholds cannot be read, no task bears the tags asked for, the host may
            not be put under load.
    """
    logging.getLogger("locust.user.task").addFilter(DeduplicatingFilter())
    _interrupt_main_only()
    runner = environment.runner
    try:
        if isinstance(runner, WorkerRunner):
            session = _following(environment, runner)
        else:
            session = _leading(environment)
        _sessions[environment] = session
        _listen(session, environment)
        if environment.web_ui is not None:
            add_page(environment.web_ui, environment, session)
    except StraingaugeError as error:
        _complain(error)
        sys.exit(error.exit_code)
    if session.following is not None:
        gevent.spawn(_greet, session.following, environment, gevent.getcurrent().throw)
    _initialised.set()


@events.test_start.add_listener
def _run_begins(environment: Environment, **_: object) -> None:
    """Begin a run, once all is set up.

    A worker that joins a run is sent users at once, and Locust may have it start them before its
    `init` event. Here that waits, and all who listen to a run's beginning after this with it.
    """
    _initialised.wait()
    session_of(environment).begin()


def _greet(
    following: WorkerSide, environment: Environment, end_main: Callable[[SystemExit], object]
) -> None:
    """Introduce this worker; one that is refused ends, without a word that would end its master."""
    try:
        following.greet()
    except StraingaugeError as error:
        _complain(error)
        environment.process_exit_code = error.exit_code
        following.leave()
        gevent.get_hub().loop.run_callback(end_main, SystemExit(error.exit_code))


def _complain(error: StraingaugeError) -> None:
    sys.stderr.write(f"{error.with_hint}\n")
    sys.stderr.flush()


def _interrupt_main_only() -> None:
    """Let Ctrl-C come to Locust's main greenlet, not to the user that happens to be at work.

    Python raises it wherever it is; a request torn off so was sent, and would be in no record.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        main, loop = gevent.getcurrent(), gevent.get_hub().loop
        gevent.signal_handler(
            signal.SIGINT, lambda: loop.run_callback(main.throw, KeyboardInterrupt)
        )


def _leading(environment: Environment) -> Session:
    """The session of a process that is alone, or of a master."""
    leading = None
    if isinstance(environment.runner, MasterRunner):  # before anything that takes time: they come
        leading = MasterSide(environment, modules_below(locustfile_of(environment).parent))
    allowed = options_of(environment).allow_host
    ending = ResultBuilder(environment, thresholds_of(environment), results_of(environment))
    environment.user_classes[:] = selected_classes(environment)
    require_allowed(environment, allowed)
    return Session(
        environment,
        ending,
        observe=observing(environment, gevent.get_hub().threadpool.apply),
        allowed_hosts=allowed,
        leading=leading,
        quiet_s=options_of(environment).quiet_time,
    )


def _following(environment: Environment, runner: WorkerRunner) -> Session:
    """The session of a worker: what is demanded, its master knows."""
    nothing = Thresholds.parse({}, source="no thresholds")
    name = f"metrics_worker{max(runner.worker_index, 0)}"
    ending = ResultBuilder(environment, nothing, results_of(environment), name)
    return Session(
        environment,
        ending,
        observe=observing(environment, gevent.get_hub().threadpool.apply),
        allowed_hosts=options_of(environment).allow_host,
        modules=all_modules(),
    )


def _listen(session: Session, environment: Environment) -> None:
    runner = session.runner

    def on_setup_failed(msg: Message, **_: object) -> None:
        session.setup_failed(**msg.data)

    def on_quitting(**_: object) -> None:
        session.quit()
        await_csv(environment)

    if (following := session.following) is not None:
        runner.register_message(STOP, lambda **_: session.stop_users())
        events.report_to_master.add_listener(lambda data, **_: following.report(session.part, data))
        events.heartbeat_received.add_listener(lambda **_: following.heard())
    else:
        runner.register_message(SETUP_FAILED, on_setup_failed)
        html = Html(environment)
        events.quit.add_listener(lambda **_: html.write())
    if (leading := session.leading) is not None:
        events.worker_report.add_listener(
            lambda client_id, data, **_: leading.reported(client_id, data)
        )
        events.heartbeat_sent.add_listener(lambda client_id, **_: leading.heard(client_id))
    events.request.add_listener(session.on_request)
    events.user_error.add_listener(session.on_user_error)
    events.test_stop.add_listener(lambda **_: session.end())
    events.quitting.add_listener(on_quitting)
    events.quit.add_listener(lambda **_: session.show())
