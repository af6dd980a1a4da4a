"""Settings of connections in load tests of pytest."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from counting_service import Service
from http2_peer import speaking_http2
from load_project import Project
from raw_server import Peer, Server, answering, serve, speaking_tls

pytestmark = pytest.mark.e2e

pytest_plugins = ["pytester", "load_project"]

TEST = """
@pytest.mark.load
def test_quick(load):
    schedule = spread(count=40, duration_s=0.2)
    run = load.run("quick", hello, schedule, users=4, cooldown_s=0.1{more})
    load.judge(run)
"""


@pytest.fixture
def https(certificate: Path, project: Project) -> Iterator[Server]:
    """Serve HTTP/2 with a private certificate, whose authority is beside the tests."""
    context: ssl.SSLContext = speaking_tls(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    http2 = speaking_http2(lambda end, each: end.answer(each.stream_id))

    def handler(peer: Peer) -> None:
        assert isinstance(peer.socket, ssl.SSLSocket)
        is_http2 = peer.socket.selected_alpn_protocol() == "h2"  # the observer speaks HTTP/1.1
        (http2 if is_http2 else answering(404))(peer)

    (project.path / "ca.pem").write_bytes(Path(f"{certificate}.crt").read_bytes())
    with serve(handler, context) as server:
        yield server


@pytest.mark.parametrize("processes", ["0", "2"])
@pytest.mark.parametrize("way", ["python", "options"])
def test_http2_with_a_private_authority(project: Project, https: Server, way: str, processes: str):
    """The settings of a load hold for the probe of the service, and for each process."""
    given = ', http={"ca_file": "ca.pem", "http2": True}' if way == "python" else ""
    options = ["--load-ca-file", "ca.pem", "--load-http2"] if way == "options" else []
    url = f"https://localhost:{https.port}"
    outcome = project.run(TEST.format(more=given), "-n", processes, "--load-host", url, *options)
    outcome.assert_outcomes(passed=1)
    (result,) = project.results()
    assert result["status_codes"] == {"200": 40}
    assert result["resources"]["generator"]["protocol"] == "HTTP/2"
    assert result["configuration"]["http"] == {
        "ca_file": str(project.path / "ca.pem"),
        "http2": "negotiate",
    }


def test_options_and_the_file_are_combined_with_what_a_load_says(project: Project):
    """An option replaces a setting of the load, which replaces that of straingauge.toml."""
    (project.path / "straingauge.toml").write_text(
        '[http]\nheaders = { X-A = "file", X-B = "file" }\nhost_header = "file.example"\n'
    )
    headers = ', http={"headers": {"X-B": "load", "X-C": "load"}, "host_header": "load.example"}'
    with serve(answering()) as server:
        project.run(
            TEST.format(more=headers), "--load-host", server.url, "--load-header", "X-C: option"
        ).assert_outcomes(passed=1)
        heads = [each.head for each in server.requests if each.target == "/hello"]
    assert len(heads) == 40
    for line in ("X-A: file", "X-B: load", "X-C: option", "Host: load.example"):
        assert all(f"\r\n{line}\r\n" in f"{head}\r\n" for head in heads)


def test_a_wrong_setting_is_named_before_anything_is_sent(project: Project, service: Service):
    """A setting that does not exist fails the test with the known ones."""
    before = service.counts()["/hello"]
    outcome = project.run(TEST.format(more=', http={"ca_fil": "ca.pem"}'))
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*http: ca_fil is not a setting*", "*known are: ca_file,*"])
    assert service.counts()["/hello"] == before


def test_a_warm_up_precedes_scenarios(project: Project, service: Service):
    """The warm-up runs the journeys of all scenarios; it counts in none of them."""
    before = service.counts()["/hello"]
    tests = """
from straingauge import scenario

@pytest.mark.load
def test_both(load):
    load.judge(
        load.run(
            "both",
            [
                scenario("a", hello, spread(count=30, duration_s=0.2), users=2),
                scenario("b", hello, constant_users(count=2, iterations=5), start_s=0.1),
            ],
            warm_up=spread(count=10, duration_s=0.1),
            cooldown_s=0.1,
        )
    )
"""
    project.run(tests, "-n", "2").assert_outcomes(passed=1)
    (result,) = project.results()
    assert result["phases"]["warmup"]["total_requests"] == 10
    assert result["metrics"]["total_requests"] == 40
    each = {name: part["total_requests"] for name, part in result["scenarios"].items()}
    assert each == {"a": 30, "b": 10}
    assert service.counts()["/hello"] - before == 50
