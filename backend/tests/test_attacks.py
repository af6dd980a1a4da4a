"""Attacks on one service in a separate process, which may open 256 files."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPResponse
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

import pytest
from service import PASSWORD, Service

FILES = 256
GRACE_S = 1
MIB = 2**20
MAX_GROWTH_BYTES = 64 * MIB
"""Ten times more than the buffers of one connection."""
FORM_PART = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'


class Attack(NamedTuple):
    """A request that is sent until the response arrives, and the status of that response."""

    head: bytes
    piece: bytes
    pieces: int
    status: int


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _post(path: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join((b"POST %s HTTP/1.1" % path, b"Host: test", *headers, b"", b""))


LOGIN, SIGNUP, UPLOAD = b"/api/v1/auth/login", b"/api/v1/auth/signup", b"/api/sessions/upload"
IS_JSON, IS_CHUNKED = b"Content-Type: application/json", b"Transfer-Encoding: chunked"
IS_FORM = b"Content-Type: multipart/form-data; boundary=x"
GET_LIVE = b"GET /live HTTP/1.1\r\nHost: test\r\n"
PASSWORD_JSON = b'{"email": "ann@example.com", "full_name": "Ann", "password": "'

ATTACKS = {
    "JSON": Attack(
        _post(LOGIN, IS_JSON, b"Content-Length: %d" % (400 * MIB)), b"[" * MIB, 400, 413
    ),
    "chunked JSON": Attack(_post(LOGIN, IS_JSON, IS_CHUNKED), _chunk(b"[" * MIB), 400, 413),
    "password": Attack(
        _post(SIGNUP, IS_JSON, IS_CHUNKED) + _chunk(PASSWORD_JSON), _chunk(b"A" * MIB), 50, 413
    ),
    "header": Attack(GET_LIVE + b"A: ", b"a" * MIB, 100, 431),
    "headers": Attack(GET_LIVE, b"A: b\r\n" * 100_000, 200, 431),
    "target": Attack(b"GET /", b"a" * MIB, 100, 414),
    "upload": Attack(
        _post(UPLOAD, IS_FORM, b"Content-Length: %d" % (400 * MIB)), b"a" * MIB, 400, 413
    ),
}
FORMS = {
    "parts": Attack(b"", _chunk((FORM_PART + b"x\r\n") % b"a" * 10_000), 60, 400),
    "epilogue": Attack(
        _chunk(FORM_PART % b"file" + b"RIFF\r\n--x--\r\n"), _chunk(b"a" * MIB), 300, 400
    ),
    "preamble": Attack(b"", _chunk(b"\r\n" * MIB), 100, 400),
}


@pytest.fixture(scope="module")
def service(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that may open few files, and that waits for requests 1 s when it stops."""
    folder: Path = tmp_path_factory.mktemp("attacks")
    service = Service(
        *("--no-access-log", "--timeout-graceful-shutdown", str(GRACE_S)),
        environment={
            "DATABASE_URL": make_database(),
            "LOG_DIR": str(folder / "logs"),
            "STORAGE_DIR": str(folder / "audio"),
            "SECRET_KEY": "a key for tests, long enough to sign",
            "JOB_WORKER": "false",
        },
        prefix=("sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh"),
    )
    service.start()
    yield service
    service.stop()


def _connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=60)


def _request(service: Service, path: str, body: object, token: str = "") -> dict[str, str]:
    """POST JSON and return the JSON of the response."""
    text = json.dumps(body).encode()
    headers = [IS_JSON, b"Content-Length: %d" % len(text), b"Authorization: " + token.encode()]
    with _connect(service) as connection:
        connection.sendall(_post(path.encode(), *headers) + text)
        return dict(json.loads(_response(connection)[1]))


def _response(connection: socket.socket) -> tuple[int, bytes]:
    with closing(HTTPResponse(connection)) as response:
        response.begin()
        return response.status, response.read()


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    """Value of the Authorization header of a therapist."""
    account = {"email": "ann@example.com", "password": PASSWORD, "full_name": "Ann"}
    _request(service, "/api/v1/auth/signup", account)
    return "Bearer " + _request(service, "/api/v1/auth/login", account)["access_token"]


def _refusal(service: Service, attack: Attack) -> tuple[int, int]:
    """Send the request until a response arrives; return its status and the bytes sent."""
    sent_bytes = 0
    with _connect(service) as connection:
        for data in chain([attack.head], repeat(attack.piece, attack.pieces)):
            connection.sendall(data)
            sent_bytes += len(data)
            connection.settimeout(0)
            try:
                connection.recv(1, socket.MSG_PEEK)
                break
            except BlockingIOError:
                connection.settimeout(60)
        connection.settimeout(60)
        return _response(connection)[0], sent_bytes


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_large_request_is_refused_early(service: Service, attack: Attack):
    """The service refuses a large request while it arrives, keeps its memory, and stays live."""
    before = service.rss_bytes
    status, sent_bytes = _refusal(service, attack)
    assert status == attack.status
    assert sent_bytes < attack.pieces * len(attack.piece) / 2
    assert service.get("/live")[0] == 200
    assert service.rss_bytes - before < MAX_GROWTH_BYTES


@pytest.mark.parametrize("attack", FORMS.values(), ids=FORMS)
def test_large_form_is_refused_early(service: Service, token: str, attack: Attack):
    """A form with too much of anything but the recording is refused while it arrives."""
    head = _post(UPLOAD, IS_FORM, IS_CHUNKED, b"Authorization: " + token.encode())
    test_large_request_is_refused_early(service, attack._replace(head=head + attack.head))


def test_idle_connections_do_not_shut_out_others(service: Service):
    """With more idle connections than the service may open files, it serves a new one."""
    with ExitStack() as stack:
        for _ in range(FILES + 50):
            stack.enter_context(_connect(service))
        assert service.get("/live")[0] == 200


def test_stalled_upload_does_not_delay_the_stop(service: Service, token: str):
    """The service stops although an upload stalls. This is the last test of the service."""
    patient = _request(service, "/api/patients/", {"full_name": "Bo"}, token)
    path = b"%s?patient_id=%s" % (UPLOAD, patient["id"].encode())
    headers = (IS_FORM, b"Content-Length: 100000", b"Authorization: " + token.encode())
    with _connect(service) as connection:
        connection.sendall(_post(path, *headers, b"Expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")  # the upload is being read
        assert service.stop() in {0, -2, 130}
