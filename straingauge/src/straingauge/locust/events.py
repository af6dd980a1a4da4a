"""straingauge's listeners to Locust's public events."""

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import gevent
from gevent.event import Event
from locust import events
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from straingauge.errors import StraingaugeError, UsageError
from straingauge.http.tls import tls_context
from straingauge.locust.deduplication import DeduplicatingFilter
from straingauge.locust.distributed.master import MasterRole
from straingauge.locust.distributed.messages import LOAD_END, RESET_STATS, SETUP_FAILED, STOP_USERS
from straingauge.locust.distributed.worker import WorkerRole
from straingauge.locust.inspection import Inspection
from straingauge.locust.options import (
    add_options,
    allowed_hosts,
    cooldown_s,
    follow_ups,
    get_locustfile,
    get_options,
    get_results_folder,
    http_settings,
    inspection_options,
    observer_factory,
    read_thresholds,
    require_resources,
    take_database,
    taken_options,
)
from straingauge.locust.port_in_use import explain_port_in_use
from straingauge.locust.result_builder import ResultBuilder
from straingauge.locust.run_exports import RunExports
from straingauge.locust.session import Session
from straingauge.locust.stats.locust_reports import HtmlReport, await_csv
from straingauge.locust.target import require_allowed
from straingauge.locust.user.selection import select_classes
from straingauge.locust.web import add_page
from straingauge.verdict import Thresholds
from straingauge.workers.fingerprint import fingerprint_folder, fingerprint_modules

logger = logging.getLogger(__name__)

_sessions: WeakKeyDictionary[Environment, Session] = WeakKeyDictionary()
_initialised = Event()

events.init_command_line_parser.add_listener(add_options)
explain_port_in_use()


@events.quitting.add_listener
def _keep_exit_code(environment: Environment, **_: object) -> None:
    """Let no listener of a locustfile turn the exit code of a verdict into that of a success.

    Locust calls listeners to this event in reverse order, so this one comes last.
    """
    session = _sessions.get(environment)
    if session is None or environment.process_exit_code:
        return
    if session.finished_run is not None:
        environment.process_exit_code = session.finished_run.exit_code
    elif session.master is not None and session.master.has_refused:
        environment.process_exit_code = UsageError.exit_code


def get_session(environment: Environment) -> Session:
    """Return the session of this Locust process."""
    return _sessions[environment]


@events.init.add_listener
def _on_init(environment: Environment, **_: object) -> None:
    """Set up this process, or end Locust with a message instead of a traceback.

    Raises:
        SystemExit: The thresholds are not valid, no task has the tags asked for, or the host may
            not be put under load.
    """
    logging.getLogger("locust.user.task").addFilter(DeduplicatingFilter())
    _send_ctrl_c_to_main()
    runner = environment.runner
    with errors_end_locust():
        if isinstance(runner, WorkerRunner):
            session = _worker_session(environment, runner)
        else:
            session = _main_session(environment)
        _sessions[environment] = session
        _add_listeners(session, environment)
        if environment.web_ui is not None:
            add_page(environment.web_ui, environment, session)
    if session.worker is not None:
        gevent.spawn(_register, session.worker, environment, gevent.getcurrent().throw)
    _initialised.set()


@events.test_start.add_listener
def _on_test_start(environment: Environment, **_: object) -> None:
    """Start a run once this process is set up.

    A worker that joins a run gets users at once, and Locust may start them before its `init`
    event. This listener waits for that event, and every listener after it waits as well.
    """
    _initialised.wait()
    get_session(environment).start_run()


@contextmanager
def errors_end_locust() -> Iterator[None]:
    """End Locust with a message after an error; it would print a traceback, and go on.

    Raises:
        SystemExit: The message was printed.
    """
    try:
        yield
    except StraingaugeError as error:
        print_error(error)
        sys.exit(error.exit_code)


def print_error(error: StraingaugeError) -> None:
    """Print an error and what to try, instead of a traceback."""
    sys.stderr.write(f"{error.with_hint}\n")
    sys.stderr.flush()


def _register(
    worker: WorkerRole, environment: Environment, end_main: Callable[[SystemExit], object]
) -> None:
    """Register this worker; one that is refused ends without ending its master."""
    try:
        worker.register()
    except StraingaugeError as error:
        print_error(error)
        environment.process_exit_code = error.exit_code
        worker.leave()
        gevent.get_hub().loop.run_callback(end_main, SystemExit(error.exit_code))


def _send_ctrl_c_to_main() -> None:
    """Raise KeyboardInterrupt in Locust's main greenlet, not in a user.

    Python raises it in whichever greenlet runs; a user's request interrupted that way was sent but
    would not be recorded.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        main, loop = gevent.getcurrent(), gevent.get_hub().loop
        gevent.signal_handler(
            signal.SIGINT, lambda: loop.run_callback(main.throw, KeyboardInterrupt)
        )


def _main_session(environment: Environment) -> Session:
    """Create the session of a standalone process or of a master."""
    master = None
    if isinstance(environment.runner, MasterRunner):  # first, because workers may register now
        master = MasterRole(environment, fingerprint_folder(get_locustfile(environment).parent))
    allowed = allowed_hosts(environment)
    for option in taken_options(environment):
        logger.warning("%s belongs to the locustfile here; straingauge ignores it", option)
    require_resources(environment)
    tls_context(http_settings(environment))
    database = take_database(environment)
    builder = ResultBuilder(
        environment,
        read_thresholds(environment),
        get_results_folder(environment),
        follow_ups=follow_ups(environment, database, logger.info),
        exports=RunExports(get_options(environment).load_export),
    )
    environment.user_classes[:] = select_classes(environment)
    require_allowed(environment, allowed)
    return Session(
        environment,
        builder,
        make_observer=observer_factory(environment, database, gevent.get_hub().threadpool.apply),
        inspect=lambda url: Inspection(url, inspection_options(environment)),
        allowed_hosts=allowed,
        master=master,
        cooldown_s=cooldown_s(environment),
        abort_dead_s=get_options(environment).load_abort_dead,
    )


def _worker_session(environment: Environment, runner: WorkerRunner) -> Session:
    """Create the session of a worker; only its master has thresholds."""
    name = f"metrics_worker{max(runner.worker_index, 0)}"
    return Session(
        environment,
        ResultBuilder(environment, Thresholds.read(None), get_results_folder(environment), name),
        make_observer=observer_factory(environment, None, gevent.get_hub().threadpool.apply),
        allowed_hosts=allowed_hosts(environment),
        modules=fingerprint_modules(),
    )


def _add_listeners(session: Session, environment: Environment) -> None:
    runner = session.runner

    def on_setup_failed(msg: Message, **_: object) -> None:
        session.on_setup_failed(**msg.data)

    def on_spawning_complete(**_: object) -> None:
        if environment.reset_stats:
            session.reset_stats()

    def on_quitting(**_: object) -> None:
        session.quit()
        await_csv(environment)

    if (worker := session.worker) is not None:
        runner.register_message(STOP_USERS, lambda **_: session.stop_users())
        runner.register_message(RESET_STATS, lambda **_: session.reset_stats())
        events.report_to_master.add_listener(
            lambda data, **_: worker.add_report(session.stats, data)
        )
        events.heartbeat_received.add_listener(lambda **_: worker.record_heartbeat())
    else:
        runner.register_message(SETUP_FAILED, on_setup_failed)
        runner.register_message(LOAD_END, lambda msg, **_: session.on_load_end(**msg.data))
        events.spawning_complete.add_listener(on_spawning_complete)
        events.reset_stats.add_listener(lambda **_: session.reset_stats())
        html = HtmlReport(environment)
        events.quit.add_listener(lambda **_: html.write())
    if (master := session.master) is not None:
        events.worker_report.add_listener(
            lambda client_id, data, **_: master.add_report(client_id, data)
        )
        events.heartbeat_sent.add_listener(
            lambda client_id, **_: master.record_heartbeat(client_id)
        )
    events.request.add_listener(session.on_request)
    events.user_error.add_listener(session.on_user_error)
    events.test_stop.add_listener(lambda **_: session.end_run())
    events.quitting.add_listener(on_quitting)
    events.quit.add_listener(lambda **_: session.print_verdict())
