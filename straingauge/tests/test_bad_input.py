"""Wrong commands, options and files: each is one clear error before anything is sent."""

import json
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_input_files import write_files
from click.testing import CliRunner
from formats import whole
from straingauge.cli import main
from straingauge.result.format import write
from straingauge.target.ports import free_port

LONG = "a" * 300

# HOST is a port at which a connection would be noticed, GONE one where nothing listens, RESULT a
# result.
TABLE = """
run                                              | 2 | name a file with journeys, or paths
run .                                            | 2 | . is a folder
run j.py --get /                                 | 2 | a file with journeys or paths, not both
run nowhere.py                                   | 2 | nowhere.py: there is no such file
run LONG.py                                      | 2 | File name too long
run j.txt                                        | 2 | name a file that ends in .py
run broken.py                                    | 2 | broken.py, line 1:
run empty.py                                     | 2 | there is no journey in it
run plain.py                                     | 2 | there is no journey in it
run raises.py                                    | 2 | ZeroDivisionError: division by zero
run exits.py                                     | 2 | SystemExit: 3
run missing.py                                   | 2 | No module named 'no_such_module'
run twice.py                                     | 2 | line 12: a second function look
run no_user.py                                   | 2 | journey look() cannot be called with a user
run two_users.py                                 | 2 | cannot be called with a user
run log_in.py                                    | 2 | log_in log_in() cannot be called with a user
run account_3.py                                 | 2 | account must be a function, not 3
run account_int.py                               | 2 | account(0) failed: TypeError
run account_none.py                              | 2 | account(0) failed: TypeError
run endpoints.py                                 | 2 | endpoints must be a list of names
run j.py --rate 0                                | 2 | '--rate': 0.0 is not in the range x>0
run j.py --rate -1                               | 2 | '--rate': -1.0 is not in the range x>0
run j.py --rate nan                              | 2 | '--rate': 'nan' is not a finite number
run j.py --rate inf                              | 2 | '--rate': 'inf' is not a finite number
run j.py --rate abc                              | 2 | '--rate': 'abc' is not a valid number
run j.py --rate 1e12 --duration 1s               | 2 | lower its rate or its duration
run j.py --users 0                               | 2 | '--users': 0 is not in the range
run j.py --users abc                             | 2 | '--users': 'abc' is not a valid whole number
run j.py --users 1e3                             | 2 | '--users': '1e3' is not a valid whole number
run j.py --users 1000000                         | 2 | ulimit -n
run j.py --users 99999999999999999999            | 2 | is not in the range 1<=x<=1000000
run j.py --rate 5 --users 1000000                | 2 | ulimit -n
run j.py --connections shared --max-connections 9000000 | 2 | ulimit -n
run j.py --connections many                      | 2 | '--connections'
run j.py --max-connections 5                     | 2 | --connections shared
run j.py --processes 0                           | 2 | '--processes'
run j.py --duration 0                            | 2 | '0' is not a time
run j.py --duration -5s                          | 2 | '-5s' is not a time
run j.py --duration 1h30x                        | 2 | '1h30x' is not a time
run j.py --duration ''                           | 2 | '' is not a time
run j.py --duration 9999d                        | 2 | '9999d' is longer than a year
run j.py --timeout nan                           | 2 | 'nan' is not a time
run j.py --warmup bad                            | 2 | '--warmup': 'bad' is not a time
run j.py --think 3-1                             | 2 | write the lower limit first
run j.py --think soon                            | 2 | 'soon' is not a think time
run j.py --poisson                               | 2 | add --rate R
run j.py --rate 5 --think 1                      | 2 | --think applies to --users
run j.py --journey lok                           | 2 | did you mean look?
run j.py --journey ''                            | 2 | there are: look, write
run j.py --journey look=0                        | 2 | a weight is a whole number, 1 or more
run j.py --journey look=1.5                      | 2 | a weight is a whole number, 1 or more
run j.py --journey look --journey look           | 2 | look is selected twice
run j.py --tags raed                             | 2 | no journey is tagged raed
run j.py --tags ,                                | 2 | '--tags': ',' names no tag
run --get / --tags read                          | 2 | there is no FILE
run j.py --name ''                               | 2 | must be text on one line
run j.py --results file                          | 2 | cannot write to
run j.py --results file/deeper                   | 2 | Not a directory
run j.py --results LONG                          | 2 | File name too long
run j.py --results /proc/none                    | 2 | name another directory: --results DIR
run j.py --thresholds nowhere.toml               | 2 | nowhere.toml: cannot be read
run j.py --thresholds .                          | 2 | Is a directory
run j.py --thresholds latin.toml                 | 2 | latin.toml, line 3: not UTF-8
run j.py --thresholds table.toml                 | 2 | did you mean "all"?
run j.py --thresholds metric.toml                | 2 | there is no metric here of that name
run j.py --thresholds order.toml                 | 2 | must be in order
run j.py --thresholds text.toml                  | 2 | needs exactly target, warning and critical
run j.py --thresholds nan.toml                   | 2 | p95_ms.target: not a number: nan
run j.py --thresholds true.toml                  | 2 | p95_ms.target: not a number: True
run j.py --thresholds syntax.toml                | 2 | not valid TOML
run j.py --thresholds number.toml                | 2 | [all] must be a table of metrics
run j.py --thresholds test.toml                  | 2 | must be a table of metrics
run listed.py --thresholds endpoint.toml         | 2 | GET /hello
run --get /hello --thresholds endpoint.toml      | 2 | there is no endpoint of that name
run --get nope                                   | 2 | a path begins with "/"
run --get http://elsewhere/x                     | 2 | a path begins with "/"
run --get ''                                     | 2 | a path begins with "/"
run --get / --export seconds.xml                  | 2 | the name must end in .jsonl or .csv
run --get / --export nowhere/seconds.csv          | 2 | there is no folder nowhere
run --get / --export s.csv --export s.csv         | 2 | this file is named twice
run --get / --export http://localhost:4318        | 2 | the URL must begin with its format
run --get / --export otlp+http://:1               | 2 | this URL names no host
run --get / one two                              | 2 | unexpected extra argument
run --geet /                                     | 2 | '--get'
runn                                             | 2 | 'run'
run --get / --host nonsense                      | 2 | is no URL to load
run --get / --host ftp://x                       | 2 | is no URL to load
run --get / --host http://                       | 2 | is no URL to load
run --get / --host http://127.0.0.1:99999        | 2 | Port out of range
run --get / --host http://127.0.0.1:0            | 2 | is no URL to load
run --get / --host 'http://[::1'                 | 2 | Invalid IPv6 URL
run --get / --host http://me:secret@127.0.0.1    | 2 | no user name and no password
run --get / --host 'http://127.0.0.1?x=1'        | 2 | no query or fragment
run --get / --host http://192.0.2.1              | 2 | --allow-host 192.0.2.1
run --get / --host GONE                          | 3 | nothing responds at
run --get / --server-pid 0                       | 2 | '--server-pid'
capacity --get / --stage 10s:5                   | 2 | --stage: straingauge capacity sets the load
ab --get / --base . --rate 5                     | 2 | --rate: straingauge ab sets the load itself
capacity --get / --min 0                         | 2 | '--min'
capacity --get / --min 50 --max 10               | 2 | --min 50 is more than --max 10
capacity --get / --max nan                       | 2 | '--max': 'nan' is not a finite number
capacity --get / --max inf                       | 2 | '--max': 'inf' is not a finite number
capacity --get / --by-users --max 1000000        | 2 | ulimit -n
capacity --get / --max-users 1000000             | 2 | ulimit -n
capacity --get / --by-users --max-users 4        | 2 | --max-users is for a rate
capacity --get / --think 1                       | 2 | --think needs a number of users
capacity --get / --precision nan                 | 2 | '--precision': 'nan' is not a finite number
capacity --get / --abort 0                       | 2 | '--abort'
capacity --get / --step 0                        | 2 | '0' is not a time
capacity --get / --fail-at never                 | 2 | '--fail-at'
capacity --get / --results file                  | 2 | Not a directory
capacity --get / -o file/page.html               | 2 | name another directory: -o PAGE
capacity --get / -o page.pdf                     | 2 | the name must end in .html
capacity .                                       | 2 | . is a folder
capacity --get / --host GONE                     | 3 | nothing responds at
ab --get /                                       | 2 | '--base'
ab --get / --base nosuchref                      | 2 | there is no straingauge.toml to start it
ab --get / --base '' --head HOST                 | 2 | no build is named
ab --get / --base 'sleep {prot}' --head HOST     | 2 | with {port} in it
ab --get / --base "a ' {port}" --head HOST       | 2 | No closing quotation
ab --get / --base HOST --head HOST --users 1000000 | 2 | ulimit -n
ab --get / --base HOST --head http://192.0.2.1   | 2 | --allow-host 192.0.2.1
ab --get / --base HOST --head http://me:pw@localhost | 2 | no user name and no password
ab --get / --base HOST --head HOST --slot 9s --budget 9s | 2 | take longer than --budget
ab --get / --base HOST --head HOST --ready nope  | 2 | a path begins with "/"
ab --get / --base HOST --head HOST --env X       | 2 | write it as NAME=VALUE
ab --get / --base HOST --head HOST --copy .env   | 2 | neither build is a commit
ab --get / --base HOST --head HOST --config nowhere.toml | 2 | nowhere.toml: there is no such file
ab --get / --base HOST --head HOST --fail-on bad | 2 | is not a condition
ab --get / --base HOST --head HOST --results file | 2 | Not a directory
ab --get / --base GONE --head HOST               | 3 | nothing responds at
doctor nowhere.py                                | 2 | there is no such file
doctor --users abc                               | 2 | '--users': 'abc' is not a valid whole number
doctor --host nonsense                           | 2 | is no URL to load
doctor raises.py                                 | 2 | ZeroDivisionError
init                                             | 2 | name the URL of the service
init nonsense                                    | 2 | is no URL
init 'http://[::1'                               | 2 | Invalid IPv6 URL
init http://127.0.0.1:abc                        | 2 | is no URL
init http://me:pw@127.0.0.1                      | 2 | no user name and no password
init GONE                                        | 3 | start the service first
init HOST --openapi nowhere.json                 | 2 | cannot be read
init HOST --openapi .                            | 2 | Is a directory
init HOST --openapi array.json                   | 2 | not an OpenAPI document
init HOST --openapi deep.json                    | 2 | nested too deeply
init HOST --openapi latin.json                   | 2 | latin.json, line 2: not UTF-8
init HOST --openapi swagger.json                 | 2 | Swagger 2.0; OpenAPI 3 is required
init HOST -o file                                | 2 | is a file
serve --config nowhere.toml                      | 2 | cannot be read
serve --config .                                 | 2 | Is a directory
serve --config latin.toml                        | 2 | line 3: not UTF-8
serve --config text_port.toml                    | 2 | port must be a whole number
serve --config big_port.toml                     | 2 | port must be at most 65535
serve --config no_service.toml                   | 2 | service is missing
serve --config no_program.toml                   | 2 | the program first
serve --config unknown.toml                      | 2 | foo is not a setting
serve --config placeholder.toml                  | 2 | unknown placeholder {prot}
serve --config ready.toml                        | 2 | a path that begins with "/"
serve --config no_time.toml                      | 2 | must be at least 1
serve --config env.toml                          | 2 | env.A must be a string
serve --config observe.toml                      | 2 | [observe] foo = 3 is not valid
serve --port 99999                               | 2 | '--port': 99999 is not in the range
serve --workers 0                                | 2 | '--workers'
report                                           | 2 | 'FILE...'
report nowhere.json                              | 2 | cannot be read
report page.html                                 | 2 | name the JSON files that it shows
report plain.html                                | 2 | name the JSON files that it shows
report array.json                                | 2 | it has no schema_version
report null.json                                 | 2 | it has no schema_version
report cut.json                                  | 2 | ends in the middle, in line 2
report deep.json                                 | 2 | nested too deeply
report zeros.json                                | 2 | not valid JSON
report latin.json                                | 2 | latin.json, line 2: not UTF-8
report none                                      | 2 | no result in this folder
report RESULT -o page.pdf                        | 2 | the name must end in .html
report RESULT -o file/page.html                  | 2 | cannot write file/page.html
explain                                          | 2 | 'FILE...'
explain nowhere.json                             | 2 | cannot be read
explain null.json                                | 2 | it has no schema_version
explain none                                     | 2 | no result in this folder
compare RESULT                                   | 2 | 'NEW'
compare RESULT nowhere.json                      | 2 | cannot be read
compare RESULT none                              | 2 | Is a directory
compare RESULT RESULT --margin nan               | 2 | '--margin': 'nan' is not a finite number
compare RESULT RESULT --margin 0                 | 2 | '--margin'
compare RESULT RESULT --fail-on worse:-5%        | 2 | is not a condition
history                                          | 2 | 'FOLDER...'
history none                                     | 2 | no result in this folder
history results --test nope                      | 2 | there are: mixed
history results --metric p95                     | 2 | did you mean p95_ms?
history results --endpoint 'GET /nope'           | 2 | no valid result has these metrics
history results -o page.pdf                      | 2 | the name must end in .html
history results -o .                             | 2 | is a directory
export nowhere.json                              | 2 | cannot be read
export RESULT --format x                         | 2 | '--format'
export RESULT -o file                            | 2 | is a file
"""
ROWS = [
    tuple(cell.strip() for cell in line.split(" | ")) for line in TABLE.splitlines() if line.strip()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the commands name."""
    made = tmp_path_factory.mktemp("bad")
    write_files(made)
    (made / "none").mkdir()
    write(whole(), made / "results")
    return made


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """A port at which nothing is answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        yield listening


@pytest.fixture(scope="module")
def gone() -> str:
    """The URL of a port at which nothing listens."""
    return f"http://127.0.0.1:{free_port()}"


def _files(folder: Path) -> set[Path]:
    return {each for each in folder.rglob("*") if "__pycache__" not in each.parts}


@pytest.mark.parametrize(
    ("command", "code", "message"), ROWS, ids=[row[0].replace("/", "|") for row in ROWS]
)
def test_bad_input_is_one_clear_error(  # noqa: PLR0917
    command: str,
    code: str,
    message: str,
    folder: Path,
    listener: socket.socket,
    gone: str,
    monkeypatch: pytest.MonkeyPatch,
):
    """Wrong input says what is wrong, with the documented exit code, before a host is contacted."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 20_000))
    for name in ("API_BASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    host = f"http://127.0.0.1:{listener.getsockname()[1]}"
    (result,) = (folder / "results").iterdir()
    words = {"HOST": host, "GONE": gone, "RESULT": str(result)}
    arguments = [words.get(word, word.replace("LONG", LONG)) for word in shlex.split(command)]
    if arguments[0] in ("run", "capacity", "doctor") and "--host" not in arguments:
        arguments += ["--host", host]
    before = _files(folder)
    done = CliRunner().invoke(main, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert message in done.output
    assert "Traceback" not in done.output
    assert done.exit_code == int(code), done.output
    assert _files(folder) == before
    if code == "2":
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_removed_working_directory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A working directory that no longer exists is an error in one sentence."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = CliRunner().invoke(main, ["run", "--get", "/"])
    os.chdir(tmp_path)
    assert done.exit_code == 2
    assert "the working directory cannot be used: No such file or directory" in done.output


def test_results_of_hosts_with_accounts_can_be_read(folder: Path, tmp_path: Path):
    """A result whose host had a user name and a password is shown and compared like any other."""
    text = json.dumps(whole()).replace("http://", "http://me:secret@")
    file = tmp_path / "result.json"
    file.write_text(text)
    (other,) = (folder / "results").iterdir()
    for arguments in (["history", str(tmp_path)], ["compare", str(file), str(other)]):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        assert "secret" not in done.output
