"""straingauge's own options of the `locust` command, and what they come to.

--load-results DIR      where result files go (default: results/ beside the locustfile)
--load-thresholds FILE  what is demanded (default: thresholds.toml beside the locustfile)
--allow-host HOST       may be put under load though it is not this machine; repeatable
--database-url URL      the service's PostgreSQL, to be watched (default: $DATABASE_URL)
--server-pid PID        the service's topmost process, where its port does not tell
--quiet-time S          for how long it is watched after the load; what it still holds is leaked

Exit codes:
    0  within target or warning
    1  a critical threshold crossed; also an error of Locust's own, as a second master on one port
    2  wrong usage or configuration, a host that is not allowed, a worker with another version of
       the load test, a result that could not be written
    3  nothing answers at the host, a log-in failed
    4  the run proves nothing: interrupted, too much of it lost, the master of a worker lost
"""

import os
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

from configargparse import ArgumentParser
from locust.env import Environment

from straingauge.observe import COOLDOWN_S, Observer
from straingauge.target.service_locator import metric_names_for
from straingauge.verdict import Thresholds


def add_options(parser: ArgumentParser) -> None:
    """Let Locust's command line know them; none of them is for its page."""
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
    parser.add_argument(
        "--allow-host",
        metavar="HOST",
        action="append",
        default=[],
        include_in_web_ui=False,
        help="may be put under load though it is not this machine; repeatable",
    )
    parser.add_argument(
        "--database-url",
        metavar="URL",
        default="",
        include_in_web_ui=False,
        help="the service's PostgreSQL, to be watched by a role that may only read "
        "(default: $DATABASE_URL)",
    )
    parser.add_argument(
        "--server-pid",
        metavar="PID",
        type=int,
        default=None,
        include_in_web_ui=False,
        help="the service's topmost process, where its port does not tell (it is a proxy's)",
    )
    parser.add_argument(
        "--quiet-time",
        metavar="S",
        type=float,
        default=COOLDOWN_S,
        include_in_web_ui=False,
        help="for how long the service is watched after the load (default: %(default)s); "
        "it takes longer to tell a small leak",
    )


def options_of(environment: Environment) -> Namespace:
    """What was given on the command line."""
    options: Namespace | None = environment.parsed_options
    assert options is not None
    return options


def locustfile_of(environment: Environment) -> Path:
    """The first of the files with users."""
    return Path((environment.parsed_locustfiles or ["locustfile.py"])[0]).resolve()


def results_of(environment: Environment) -> Path:
    """The folder for result files."""
    beside = locustfile_of(environment).with_name("results")
    return Path(options_of(environment).load_results or beside)


def thresholds_of(environment: Environment) -> Thresholds:
    """What is demanded.

    Raises:
        UsageError: The file cannot be read, or makes no sense.
    """
    beside = locustfile_of(environment).with_name("thresholds.toml")
    return Thresholds.read(Path(options_of(environment).load_thresholds or beside))


def observing(environment: Environment, aside: Callable[..., object]) -> Callable[[str], Observer]:
    """Makes what watches the service at an address.

    The address of the database holds a password: it is taken out of the options, of which a master
    tells its workers.
    """
    options = options_of(environment)
    database_url, options.database_url = options.database_url, ""
    return partial(
        Observer,
        names=metric_names_for(locustfile_of(environment)),
        database_url=database_url or os.environ.get("DATABASE_URL"),
        server_pid=options.server_pid,
        aside=aside,
    )
