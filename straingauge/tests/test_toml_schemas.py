"""The JSON Schemas of TOML files accept and refuse the same files as their readers."""

import json
import re
import subprocess
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator
from straingauge.cli import main
from straingauge.cli.scenario_file import read_tables
from straingauge.cli.toml_schemas import TOML_SCHEMAS
from straingauge.errors import UsageError
from straingauge.scaffold.suite import SCHEMA_FILE, threshold_files
from straingauge.target import StackConfig
from straingauge.verdict.thresholds import Thresholds

ROOT = Path(__file__).resolve().parents[2]
VALIDATORS = {name: Draft7Validator(make()) for name, make in TOML_SCHEMAS.items()}
SERVICE = '[service]\ncommand = ["serve"]\n'
LIMITS = "{ target = 1, warning = 2, critical = 3"
BLOCK = re.compile(r"^ *```toml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
PARTS_OF_THRESHOLDS = {"all", "test", "endpoint", "transaction", "scenario", "tag"}

GOOD = {
    "straingauge": [
        SERVICE,
        f"port = 0\nworkers = 3\nprofile = false\n{SERVICE}ready = '/'\nstop_within_s = 1\n",
        f"[env]\nURL = '{{database_url}}/{{folder}}'\nJSON = '{{}}'\n{SERVICE}",
        f"[observe]\npool_size = 'connections'\n{SERVICE}",
        f"[postgres]\n[[prepare]]\nname = 'a'\ncommand = ['{{python}}']\n{SERVICE}",
        f"{SERVICE}[http]\ntimeout_s = 2\nconnect_timeout_s = '250ms'\nmax_redirects = 3\n",
        f"{SERVICE}[http]\nresolve = ['api:443:127.0.0.1', '[::1]:80:::1']\ncookies = 'off'\n",
        f"{SERVICE}[http]\nhttp2 = 'prior-knowledge'\n",
        f"{SERVICE}[http]\nproxy = 'http://a:b@localhost:3128'\nauth = 'basic:a:b'\n",
        f"{SERVICE}[http]\nheaders = {{ X-A = 'b' }}\nca_file = 'ca.pem'\ninsecure = false\n",
        f"{SERVICE}[http]\nheaders = ['X-A: b']\nclient_cert = 'c.pem'\nclient_key = 'k.pem'\n",
        f"{SERVICE}[[scenario]]\nname = 'a'\nget = ['/']\nweight = 2\nthink = '500-900ms'\n",
        f"{SERVICE}[[scenario]]\nname = 'a'\nfile = 'j.py'\nstages = ['0s:5', '1m30s:10/m']\n",
        f"{SERVICE}[[scenario]]\nname = 'a'\nget = ['/']\nrate = 0.5\nstart = 0\nduration = '1m'\n",
    ],
    "thresholds": [
        "",
        f"[all]\np95_ms = {LIMITS} }}\njourney_errors = {LIMITS} }}\n",
        f"[all]\np99.9_ms = {LIMITS} }}\n'p99.95_ms' = {LIMITS} }}\n",
        f"[all]\nstatus_5xx_rate_percent = {LIMITS}, abort = true, window = '1m', after = 5 }}\n",
        f"[test.a]\nunanswered_rate_percent = {LIMITS}, abort = false }}\n",
        f"[endpoint.'GET /']\ntimeout_rate_percent = {LIMITS} }}\n[tag.a]\np95_ms = {LIMITS} }}\n",
        f"[transaction.a]\nerror_rate_percent = {LIMITS} }}\n[scenario.b]\np7_ms = {LIMITS} }}\n",
    ],
}
BAD = {
    "straingauge": [
        *("[service]\n", "[service]\ncommand = 'serve'\n", "[service]\ncommand = []\n"),
        *("[service]\ncommand = [1]\n", "[service]\ncommand = ['a{prot}']\n"),
        *(f"wrokers = 2\n{SERVICE}", f"workers = 0\n{SERVICE}", f"workers = true\n{SERVICE}"),
        *(f"port = '8000'\n{SERVICE}", f"port = 65536\n{SERVICE}", f"port = -1\n{SERVICE}"),
        *(f"profile = 1\n{SERVICE}", f"app = 3\n{SERVICE}", f"python = ['a']\n{SERVICE}"),
        *(f"{SERVICE}raedy = '/'\n", f"{SERVICE}ready = 'ready'\n"),
        *(f"{SERVICE}ready_within_s = 0\n", f"{SERVICE}stop_within_s = 1.5\n"),
        *(f"[env]\nA = 1\n{SERVICE}", f"[env]\nA = 'x{{b}}'\n{SERVICE}", f"env = 3\n{SERVICE}"),
        *(f"postgres = 1\n{SERVICE}", f"[postgres]\nversion = 18\n{SERVICE}"),
        *(f"[postgres]\nrestore = 1\n{SERVICE}", f"[postgres]\ndatabase = 1\n{SERVICE}"),
        *(f"[postgres]\nconnections_per_worker = 0\n{SERVICE}",),
        *(f"[prepare]\nname = 'x'\n{SERVICE}", f"prepare = [1]\n{SERVICE}"),
        *(f"[[prepare]]\ncommand = ['x']\n{SERVICE}", f"[[prepare]]\nname = 'x'\n{SERVICE}"),
        *(f"observe = 3\n{SERVICE}", f"observe = ['a']\n{SERVICE}", f"http = 3\n{SERVICE}"),
        *(f"[observe]\npool_sise = 'a'\n{SERVICE}", f"[observe]\npool_size = 3\n{SERVICE}"),
        *(
            f"{SERVICE}[http]\n{line}\n"
            for line in (
                *(
                    "http2 = 1",
                    "http2 = 'prior'",
                    "timeout_s = 0",
                    "timeout_s = 'soon'",
                    "timeout_s = '0s'",
                    "timeout_s = true",
                ),
                *("first_byte_timeout_s = '-1s'", "connect_timeout_s = inf", "tiemout_s = 3"),
                *(
                    "resolve = ['api:80']",
                    "resolve = [':80:127.0.0.1']",
                    "resolve = 'a:80:127.0.0.1'",
                ),
                *("host_header = 'a b'", "host_header = 3", "server_name = ''", "ca_file = 3"),
                *("insecure = 'yes'", "follow_redirects = 1", "cookies = 'per-day'"),
                *("max_redirects = 0", "max_redirects = true", "max_redirects = 'many'"),
                *("auth = 'basic:a'", "auth = 'oauth:a:b'", "auth = 3", "headers = ['a']"),
                *(
                    "headers = { A = 3 }",
                    "headers = 'A: b'",
                    "proxy = 'https://a'",
                    "proxy = 'a:80'",
                ),
                *("proxy = 'http://a/path'", "client_key = 'a.pem'"),
                *("insecure = true\nca_file = 'a'", "unix_socket = 'a'\nproxy = 'http://a'"),
            )
        ),
        *(
            f"{SERVICE}[[scenario]]\n{line}\n"
            for line in (
                *("get = ['/']", "name = 'a'\nuser = 3", "name = 3", "name = 'a'\nget = '/'"),
                *("name = 'a'\nusers = 0", "name = 'a'\nrate = true", "name = 'a'\nrate = 0"),
                *("name = 'a'\nduration = '3 parsecs'", "name = 'a'\nduration = 3"),
                *(
                    "name = 'a'\nstages = ['1s']",
                    "name = 'a'\nstages = ['1s:a']",
                    "name = 'a'\nfile = 3",
                ),
                *(
                    "name = 'a'\nthink = 'long'",
                    "name = 'a'\nstart = -1",
                    "name = 'a'\npoisson = 1",
                ),
                *(
                    "name = 'a'\nrate = 2\nweight = 2",
                    "name = 'a'\ntags = [1]",
                    "name = 'a'\nweight = 0",
                ),
            )
        ),
        f"scenario = 3\n{SERVICE}",
    ],
    "thresholds": [
        *("[al]\n", "all = 3\n", "[test]\nx = 3\n", "test = 3\n", '[all]\np95_ms = "fast"\n'),
        *(f"[all]\np95 = {LIMITS} }}\n", f"[all]\np0_ms = {LIMITS} }}\n"),
        *(f"[all]\nstatus_6xx_rate_percent = {LIMITS} }}\n", "[all]\np95_ms = {}\n"),
        *(
            "[all]\np95_ms = { target = 1, warning = 2 }\n",
            f"[all]\np95_ms = {LIMITS}, fatal = 4 }}\n",
        ),
        "[all]\np95_ms = { target = true, warning = 2, critical = 3 }\n",
        "[all]\np95_ms = { target = 1, warning = 2, critical = inf }\n",
        f"[all]\np99.x_ms = {LIMITS} }}\n",
        f"[endpoint.a]\njourney_errors = {LIMITS} }}\n",
        f"[scenario.a]\ntimeout_rate_percent = {LIMITS} }}\n",
        f"[transaction.a]\nthroughput_rps = {LIMITS} }}\n",
        f"[all]\np95_ms = {LIMITS}, abort = 1 }}\n",
        f"[all]\np95_ms = {LIMITS}, window = '5s' }}\n",
        f"[all]\np95_ms = {LIMITS}, abort = false, after = '5s' }}\n",
        f"[all]\np95_ms = {LIMITS}, abort = true, window = 'short' }}\n",
        f"[all]\np95_ms = {LIMITS}, abort = true, window = 0.5 }}\n",
        f"[all]\np95_ms = {LIMITS}, abort = true, window = 601 }}\n",
        f"[all]\nmemory_growth_mb_per_200_requests = {LIMITS}, abort = true }}\n",
    ],
}
BEYOND_A_SCHEMA = {
    "straingauge": {
        "": "a file may have no more than [http] or scenarios, but a service needs a command",
        f"workers = 1.0\n{SERVICE}": "JSON has one type for 1 and 1.0",
        f"{SERVICE}[http]\nresolve = ['a:80:localhost']\n": "a pattern for addresses is no help",
        f"{SERVICE}[http]\nheaders = {{ A = '${{NOT_SET}}' }}\n": "depends on the environment",
        f"{SERVICE}[[scenario]]\nname = 'a'\nduration = '367d'\n": "a limit on a text",
        f"{SERVICE}[[scenario]]\nname = 'a'\nstages = ['1s:1.5']\n": "whole only if it is no rate",
    },
    "thresholds": {
        "[all]\np95_ms = { target = 3, warning = 2, critical = 1 }\n": "compares values",
        "[all]\np95_ms = { target = nan, warning = 2, critical = 3 }\n": "JSON has no NaN",
        f"[all]\np95_ms = {LIMITS}, abort = true, window = '1h' }}\n": "a limit on a text",
    },
}
"""Files that the readers alone refuse, with the reason."""


def read(name: str, text: str, folder: Path) -> None:
    """Read a file as commands do; raises UsageError if it is not valid."""
    path = folder / f"{name}.toml"
    path.write_text(text)
    if name == "thresholds":
        Thresholds.read(path)
        return
    StackConfig.from_file(path)
    if "scenario" in tomllib.loads(text):
        read_tables(path)


def cases(of: dict[str, Any]) -> list[Any]:
    """The name of a schema and the text of a file, for each of these files."""
    return [
        pytest.param(name, text, id=f"{name}-{n}") for name in of for n, text in enumerate(of[name])
    ]


@pytest.mark.parametrize("name", sorted(VALIDATORS))
def test_each_schema_is_valid(name: str):
    """The schemas are valid JSON Schemas of draft 7."""
    Draft7Validator.check_schema(VALIDATORS[name].schema)


@pytest.mark.parametrize(("name", "text"), cases(GOOD))
def test_good_files_are_accepted(name: str, text: str, tmp_path: Path):
    """Reader and schema accept the same files."""
    read(name, text, tmp_path)
    assert list(VALIDATORS[name].iter_errors(tomllib.loads(text))) == []


@pytest.mark.parametrize(("name", "text"), cases(BAD))
def test_bad_files_are_refused(name: str, text: str, tmp_path: Path):
    """Reader and schema refuse the same files."""
    with pytest.raises(UsageError):
        read(name, text, tmp_path)
    assert not VALIDATORS[name].is_valid(tomllib.loads(text))


@pytest.mark.parametrize(("name", "text"), cases(BEYOND_A_SCHEMA))
def test_what_a_schema_cannot_express(name: str, text: str, tmp_path: Path):
    """The reader refuses a file that a schema cannot, for a reason that is listed."""
    with pytest.raises(UsageError):
        read(name, text, tmp_path)
    assert VALIDATORS[name].is_valid(tomllib.loads(text)), "add it to BAD"


def toml_files() -> dict[str, tuple[str, str]]:
    """The name of the schema and the text of each TOML file and example of the repository."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "*straingauge.toml", "*thresholds.toml", "*.md"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {}
    for path in listed.stdout.splitlines():
        text = (ROOT / path).read_text(encoding="utf-8")
        if path.endswith(".toml"):
            found[path] = Path(path).stem, text
            continue
        blocks = (textwrap.dedent(block) for block in BLOCK.findall(text))
        for number, block in enumerate(blocks, 1):
            keys = tomllib.loads(block).keys()
            is_threshold = keys <= PARTS_OF_THRESHOLDS and "[[" not in block
            found[f"{path}, {number}"] = "thresholds" if is_threshold else "straingauge", block
    return found


def test_the_files_of_the_repository_are_valid():
    """Each straingauge.toml, thresholds.toml and example in the documentation is valid."""
    found = toml_files()
    assert {name for name, _ in found.values()} == set(VALIDATORS)
    errors = {
        where: str(error.message)
        for where, (name, text) in found.items()
        for error in VALIDATORS[name].iter_errors(tomllib.loads(text))
    }
    assert errors == {}


def test_a_drafted_threshold_file_names_its_schema():
    """The first line of what `init` writes names the schema next to it, and is valid by it."""
    files = threshold_files(["GET /books"])
    text = files["thresholds.toml"]
    assert text.splitlines()[0] == f"#:schema {SCHEMA_FILE}"
    assert Draft7Validator(json.loads(files[SCHEMA_FILE])).is_valid(tomllib.loads(text))


def test_the_command_shows_and_writes_schemas(tmp_path: Path):
    """`straingauge schema` prints a schema, or writes it with -o."""
    shown = CliRunner().invoke(main, ["schema", "thresholds"])
    assert json.loads(shown.stdout) == TOML_SCHEMAS["thresholds"]()
    path = tmp_path / "result.schema.json"
    written = CliRunner().invoke(main, ["schema", "result", "-o", str(path)])
    assert written.stdout == f"{path}\n"
    assert json.loads(path.read_text())["required"]


def test_each_setting_has_a_description():
    """Editors show what each setting of straingauge.toml means."""
    top = VALIDATORS["straingauge"].schema["properties"]
    parts = [top[name]["properties"] for name in ("postgres", "service", "http")]
    parts += [top["prepare"]["items"]["properties"], top["scenario"]["items"]["properties"]]
    missing = [key for part in (top, *parts) for key in part if not part[key].get("description")]
    assert missing == []
