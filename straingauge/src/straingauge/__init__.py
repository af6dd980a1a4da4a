"""Load testing for HTTP services that names the cause.

Everything a load test needs is imported from here; names load on first use, so that
``import straingauge`` itself is cheap:

    from straingauge import Pause, constant, mix, tagged

    @tagged("read")
    def read_newest(user):
        sessions = (yield user.get("/api/sessions/")).json()
        yield Pause(1.5)
        yield user.get(f"/api/sessions/{sessions[0]['id']}", name="GET /api/sessions/{id}")

Journeys: `User`, `Request`, `Response`, `Pause`, `Upload`, `FilePart`, `Check`, `Journey`, `Mix`,
`mix`, `tagged`, `limit_concurrency`; failed requests raise `RequestFailed`, with an `ErrorKind`.
`call` and `measure` make a `Call` of any other client, `open_once` opens that client.
`scenario` makes a `Scenario`, one of several of a load.
`Stream` declares a response that is read as it comes, `Event` is one of its events.
`User.websocket` opens a `WebSocket`, which receives a `Message`.

Credentials: `basic_auth`, `bearer_auth` and `api_key` make an `Auth` for `User.authorize`.
`log_in_by_form` logs a user in; `form_request`, `csrf_token` and `csrf_headers` are its parts.

Schedules: `constant`, `ramp`, `steps`, `spike`, `poisson`, `spread`, `chain` (arrival rates),
`constant_users` and `waves` (numbers of users), `stages` (either); each returns a `Schedule`.

Data: `feeder` makes a `Feeder` of a file's rows, and `secret` reads a secret; `FeederEnd` is raised
after the last row.

pytest: `LoadTest` is the type of the ``load`` fixture, `LoadRun` of what it measured, `Account` of
the function that gives each user its data; a test reports a `Finding` with a `Grade`.

Services: `ServiceStack` starts a service with its database, `Postgres` a database alone.

Results: `read_result` and `read_results` read result files.

Errors: `StraingaugeError` and its subclasses, see `straingauge.errors`.

Locust users and shapes are in `straingauge.locust`. Modules and names that are not in a package's
``__all__`` are private.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from straingauge.errors import (
        CriticalVerdict,
        Interrupted,
        InvalidRun,
        StraingaugeError,
        TargetError,
        UsageError,
    )
    from straingauge.feeders import Feeder, FeederEnd, feeder, secret
    from straingauge.http import (
        Check,
        ErrorKind,
        Event,
        FilePart,
        Request,
        RequestFailed,
        Response,
        Stream,
        Upload,
    )
    from straingauge.http.authentication import Auth, api_key, basic_auth, bearer_auth
    from straingauge.http.websocket import Message, WebSocket
    from straingauge.journey import (
        Account,
        Call,
        Journey,
        Mix,
        Pause,
        Scenario,
        User,
        call,
        csrf_headers,
        csrf_token,
        form_request,
        limit_concurrency,
        log_in_by_form,
        measure,
        mix,
        open_once,
        scenario,
        tagged,
    )
    from straingauge.pytest_plugin.load_run import LoadRun
    from straingauge.pytest_plugin.load_test import LoadTest
    from straingauge.result.format import read as read_result
    from straingauge.result.format import read_all as read_results
    from straingauge.schedule import (
        Schedule,
        chain,
        constant,
        constant_users,
        poisson,
        ramp,
        spike,
        spread,
        stages,
        steps,
        waves,
    )
    from straingauge.target import Postgres, ServiceStack
    from straingauge.verdict import Finding, Grade

    __version__: str

__all__ = [
    "Account",
    "Auth",
    "Call",
    "Check",
    "CriticalVerdict",
    "ErrorKind",
    "Event",
    "Feeder",
    "FeederEnd",
    "FilePart",
    "Finding",
    "Grade",
    "Interrupted",
    "InvalidRun",
    "Journey",
    "LoadRun",
    "LoadTest",
    "Message",
    "Mix",
    "Pause",
    "Postgres",
    "Request",
    "RequestFailed",
    "Response",
    "Scenario",
    "Schedule",
    "ServiceStack",
    "StraingaugeError",
    "Stream",
    "TargetError",
    "Upload",
    "UsageError",
    "User",
    "WebSocket",
    "__version__",
    "api_key",
    "basic_auth",
    "bearer_auth",
    "call",
    "chain",
    "constant",
    "constant_users",
    "csrf_headers",
    "csrf_token",
    "feeder",
    "form_request",
    "limit_concurrency",
    "log_in_by_form",
    "measure",
    "mix",
    "open_once",
    "poisson",
    "ramp",
    "read_result",
    "read_results",
    "scenario",
    "secret",
    "spike",
    "spread",
    "stages",
    "steps",
    "tagged",
    "waves",
]

_MODULES = {
    "straingauge.errors": (
        *("CriticalVerdict", "Interrupted", "InvalidRun", "StraingaugeError"),
        *("TargetError", "UsageError"),
    ),
    "straingauge.feeders": ("Feeder", "FeederEnd", "feeder", "secret"),
    "straingauge.http": (
        *("Check", "ErrorKind", "Event", "FilePart", "Request", "RequestFailed", "Response"),
        *("Stream", "Upload"),
    ),
    "straingauge.http.authentication": ("Auth", "api_key", "basic_auth", "bearer_auth"),
    "straingauge.http.websocket": ("Message", "WebSocket"),
    "straingauge.journey": (
        *("csrf_headers", "csrf_token", "form_request", "log_in_by_form"),
        *("Account", "Call", "Journey", "Mix", "Pause", "Scenario", "User", "call"),
        *("limit_concurrency", "measure", "mix", "open_once", "scenario", "tagged"),
    ),
    "straingauge.pytest_plugin.load_run": ("LoadRun",),
    "straingauge.pytest_plugin.load_test": ("LoadTest",),
    "straingauge.schedule": (
        *("Schedule", "chain", "constant", "constant_users", "poisson", "ramp"),
        *("spike", "spread", "stages", "steps", "waves"),
    ),
    "straingauge.target": ("Postgres", "ServiceStack"),
    "straingauge.verdict": ("Finding", "Grade"),
}
_LOCATIONS = {name: (module, name) for module, names in _MODULES.items() for name in names} | {
    "read_result": ("straingauge.result.format", "read"),
    "read_results": ("straingauge.result.format", "read_all"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  any of the public names
    """Import a public name on first use (PEP 562).

    Raises:
        AttributeError: There is no such name.
    """
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("straingauge")
    elif name in _LOCATIONS:
        module, attribute = _LOCATIONS[name]
        value = getattr(import_module(module), attribute)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
