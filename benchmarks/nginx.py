"""The target: one nginx worker on a separate core, and its request counts."""

import http.client
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import payloads
import psutil
from straingauge.target.ports import free_port

# `mirror` reads a whole upload before anything else handles the request; the static file then
# rejects the POST, and `error_page` turns that into the response.
CONFIGURATION = """
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; multi_accept on; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 3600;
    open_file_cache max=1000 inactive=1h;
    open_file_cache_valid 1h;
    client_max_body_size 1m;
    client_body_buffer_size 256k;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{tls_port} ssl http2 backlog=4096;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location = {payloads.GET_PATH} {{ return 200 '{payloads.GET_BODY}'; }}
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {folder}/site;
        location = /status {{ stub_status; }}
        location = {payloads.GET_PATH} {{ return 200 '{payloads.GET_BODY}'; }}
        location = {payloads.LOGIN_PATH} {{ return 200 '{payloads.LOGIN_BODY}'; }}
        location = {payloads.LIST_PATH} {{ try_files {payloads.LIST_PATH}list.json =404; }}
        location = {payloads.UPLOAD_PATH} {{
            mirror /discard;
            error_page 405 =202 {payloads.ACCEPTED_PATH};
        }}
        location = /discard {{ internal; return 204; }}
        location /export {{ return 204; }}
    }}
}}
"""
MOST_CONNECTIONS = 16_000
SPARE_FILES = 1_000


@dataclass(frozen=True)
class Status:
    """The counts of nginx at one moment.

    Attributes:
        at_s: The moment, from `time.monotonic`.
        requests: Requests since its start, without status requests.
        active: Open connections, without that of the status requests.
        cpu_s: CPU time used.
    """

    at_s: float
    requests: int
    active: int
    cpu_s: float


class Nginx:
    """A running nginx at `url`, and with TLS and HTTP/2 at `tls_url`."""

    def __init__(self, process: psutil.Popen, port: int, tls_port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.tls_url = f"https://127.0.0.1:{tls_port}"
        self._process = process
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._status_requests = 0

    def status(self) -> Status:
        """Read the current counts."""
        self._connection.request("GET", "/status")
        text = self._connection.getresponse().read().decode()
        self._status_requests += 1
        active = re.search(r"Active connections: (\d+)", text)
        requests = re.search(r"^ \d+ \d+ (\d+)", text, re.MULTILINE)
        assert active is not None
        assert requests is not None
        return Status(
            time.monotonic(),
            int(requests[1]) - self._status_requests,
            int(active[1]) - 1,
            sum(
                sum(each.cpu_times()[:2])
                for each in (self._process, *self._process.children(recursive=True))
            ),
        )


@contextmanager
def serving(folder: Path, core: int) -> Iterator[Nginx]:
    """Run nginx on this core until the block ends, also by SIGTERM.

    Raises:
        SystemExit: nginx did not start; the message has its output.
    """
    payloads.write(folder / "site")
    port, tls_port = free_port(), free_port()
    _write_certificate(folder)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",  # only its owner may read the folder
            folder=folder,
            port=port,
            tls_port=tls_port,
            files=MOST_CONNECTIONS + SPARE_FILES,
            connections=MOST_CONNECTIONS,
            payloads=payloads,
        )
    )
    output = folder / "nginx.log"
    with output.open("wb") as log:
        process = psutil.Popen(
            ["taskset", "-c", str(core), "nginx", "-p", str(folder), "-c", str(configuration)],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    default = signal.signal(signal.SIGTERM, _exit)  # without it nginx would be left behind
    try:
        _await(process, port, output)
        yield Nginx(process, port, tls_port)
    finally:
        signal.signal(signal.SIGTERM, default)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except psutil.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _write_certificate(folder: Path) -> None:
    """Write a certificate for 127.0.0.1, which no authority has signed."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _await(process: psutil.Popen, port: int, output: Path) -> None:
    deadline_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise SystemExit(f"nginx did not start:\n{output.read_text()}") from None
            time.sleep(0.05)
        else:
            return
