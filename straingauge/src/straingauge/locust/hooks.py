"""Where straingauge listens to Locust: its public events, and nothing else."""

import sys
from pathlib import Path
from weakref import WeakKeyDictionary

from configargparse import ArgumentParser
from locust import events
from locust.env import Environment
from locust.rpc import Message
from locust.runners import WorkerRunner
from locust.user.users import User as LocustUser

from straingauge.errors import StraingaugeError, UsageError
from straingauge.locust.ending import Ending
from straingauge.locust.session import LAST_FIGURES, SETUP_FAILED, STOP, Session
from straingauge.verdict import Thresholds

_sessions: WeakKeyDictionary[Environment, Session] = WeakKeyDictionary()


def session_of(environment: Environment) -> Session:
    """What straingauge keeps for this Locust process."""
    return _sessions[environment]


@events.init_command_line_parser.add_listener
def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--load-results",
        metavar="DIR",
        default="",
        include_in_web_ui=False,
        help="where result files go (default: results/ beside the locustfile)",
    )
    parser.add_argument(
        "--load-thresholds",
        metavar="FILE",
        default="",
        include_in_web_ui=False,
        help="what is demanded (default: thresholds.toml beside the locustfile)",
    )


@events.init.add_listener
def _begin(environment: Environment, **_: object) -> None:
    """Set up this process; what is wrong ends Locust with a line or two and no traceback.

    Raises:
        SystemExit: The thresholds cannot be read, or no task bears the tags asked for.
    """
    try:
        if isinstance(environment.runner, WorkerRunner):
            session = Session(environment, None)
        else:
            session = Session(environment, _ending(environment))
            environment.user_classes[:] = asked_for(environment)
    except StraingaugeError as error:
        sys.stderr.write(f"{error}\n" + (f"  try: {error.hint}\n" if error.hint else ""))
        sys.exit(error.exit_code)
    _sessions[environment] = session
    _listen(session)


def _ending(environment: Environment) -> Ending:
    options = environment.parsed_options
    assert options is not None
    beside = Path((environment.parsed_locustfiles or ["."])[0]).resolve().parent
    thresholds = Thresholds.read(Path(options.load_thresholds or beside / "thresholds.toml"))
    return Ending(thresholds, Path(options.load_results or beside / "results"))


def _listen(session: Session) -> None:
    def on_setup_failed(msg: Message, **_: object) -> None:
        session.setup_failed(**msg.data)

    def on_last_figures(msg: Message, **_: object) -> None:
        session.last_figures(msg.node_id, msg.data)

    if isinstance(session.runner, WorkerRunner):
        session.runner.register_message(STOP, lambda **_: session.stop_users())
    else:
        session.runner.register_message(SETUP_FAILED, on_setup_failed)
        session.runner.register_message(LAST_FIGURES, on_last_figures)
    events.request.add_listener(session.on_request)
    events.user_error.add_listener(session.on_user_error)
    events.test_start.add_listener(lambda **_: session.begin())
    events.test_stop.add_listener(lambda **_: session.end())
    events.quitting.add_listener(lambda **_: session.quit())
    events.quit.add_listener(lambda **_: session.show())
    events.report_to_master.add_listener(lambda data, **_: session.report(data))
    events.worker_report.add_listener(
        lambda client_id, data, **_: session.reported(client_id, data)
    )


def asked_for(environment: Environment) -> list[type[LocustUser]]:
    """The user classes of this run: those with a task left after --tags and --exclude-tags.

    One that joins only when asked for (`JourneyUser.only_when_asked`) is asked for by its name, or
    by one of its tasks' tags.

    Raises:
        UsageError: There is none.
    """
    options = environment.parsed_options
    assert options is not None
    wanted, unwanted = set(options.tags or ()), set(options.exclude_tags or ())
    named = set(options.user_classes or ())
    chosen = []
    for each in environment.user_classes:
        tags: list[set[str]] = [getattr(task, "locust_tag_set", set()) for task in each.tasks]
        left = [own for own in tags if not own & unwanted and (not wanted or own & wanted)]
        shy = getattr(each, "only_when_asked", False) and not options.class_picker
        if left and (not shy or wanted or each.__name__ in named):
            chosen.append(each)
    if not chosen:
        known = {
            tag
            for each in environment.user_classes
            for task in each.tasks
            for tag in getattr(task, "locust_tag_set", ())
        }
        raise UsageError(
            f"no task is left for --tags {' '.join(sorted(wanted))}",
            hint=f"known tags: {', '.join(sorted(known))}",
        )
    return chosen
