"""A client that writes all the time and records what was acknowledged."""

import hashlib
import random
import threading
import uuid
from typing import Any

from recordings import wav
from service import PASSWORD
from tests.chaos.connection import TIMEOUT_S, Answer, Connection, form
from tests.chaos.write_log import (
    ACCOUNT,
    LOGIN,
    PATIENT,
    SESSION,
    FieldLog,
    Record,
    WriteLog,
)

PAUSE_S = 0.02
"""Time between two requests of a client; it bounds the load and the size of the log."""
PAUSE_AFTER_ERROR_S = 0.2
CHUNK = wav(0.06)
SIZES_BYTES = (2_000, 2_000, 50_000, 1_000_000)
"""Sizes of recordings. One of a megabyte takes long enough to be broken off in the middle."""
CONFLICT, UNAVAILABLE = 409, 503


class Client:
    """One therapist who creates and changes patients and sessions, in a thread.

    Only this client writes the rows of its account, one request after the other. So the last
    acknowledged value of a field is known.
    """

    def __init__(self, port: int, log: WriteLog, seed: int) -> None:
        self._connection = Connection(port)
        self._log = log
        self._random = random.Random(seed)
        self._token = ""
        self._refresh: str | None = None
        self._patients: list[Record] = []
        self._sessions: list[Record] = []
        self._running = threading.Event()
        self._idle = threading.Event()
        self._over = threading.Event()
        self._pause_s = PAUSE_S
        self._thread = threading.Thread(target=self._run, name=f"client {seed}", daemon=True)
        self.email = f"client-{seed}-{uuid.uuid4().hex[:8]}@example.com"
        self.served = 0
        """Requests with a 2xx."""

    def start(self) -> None:
        """Create the account and begin; raises RuntimeError if the service refuses."""
        self._sign_up(self.email)
        self._log_in()
        if not self._token:
            raise RuntimeError(f"{self.email} cannot log in")
        self._thread.start()

    def resume(self) -> None:
        """Write until `pause`."""
        self._idle.clear()
        self._running.set()

    def pause(self) -> None:
        """Stop writing, and wait for the response to the last request."""
        self._running.clear()
        assert self._idle.wait(2 * TIMEOUT_S)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self._running.set()
        self._thread.join()
        self._connection.close()

    def get(self, path: str) -> Answer:
        """Read what the service has stored, while the client is paused."""
        return self._connection.request("GET", path, token=self._token)

    def upload(self, recording: bytes, *, dies: bool = False) -> Record:
        """Upload a recording for a new patient of this client, while the client is paused."""
        self._create_patient()
        return self._upload(recording, dies=dies)

    def _run(self) -> None:
        actions = (
            *(self._create_patient, self._change_patient, self._change_session),
            *(self._upload, self._change_patient, self._request_notes),
            *(self._log_in, self._exchange_token, self._sign_up),
        )
        while not self._over.is_set():
            if not self._running.is_set():
                self._idle.set()
                self._running.wait()
                continue
            self._random.choice(actions)()
            self._over.wait(self._pause_s)

    def _send(self, method: str, path: str, **body: Any) -> Answer:  # noqa: ANN401 -- a body
        answer = self._connection.request(method, path, token=self._token, **body)
        self._pause_s = PAUSE_S if answer.is_success else PAUSE_AFTER_ERROR_S
        if answer.is_success:
            self.served += 1
        elif answer.status in {0, UNAVAILABLE}:
            self._log.count_refused()
        elif answer.status != CONFLICT:
            self._log.report(f"{method} {path}: {answer.status} {answer.body}")
        if answer.status != CONFLICT:
            self._log.count(acknowledged=answer.is_success)
        return answer

    def _create(self, record: Record, path: str, **body: Any) -> Answer:  # noqa: ANN401 -- a body
        positions = {name: len(log.values) - 1 for name, log in record.fields.items()}
        answer = self._send("POST", path, **body)
        if answer.is_success:
            record.id = answer.body["id"]
            for name, position in positions.items():
                record.fields[name].acknowledged = position
        # A 5xx can come after a commit whose result was lost.
        record.refused = 400 <= answer.status < 500
        return answer

    def _change(self, record: Record, path: str, name: str) -> None:
        value = f"+43 {uuid.uuid4().hex}"
        position = record.fields[name].send(value)
        if self._send("PATCH", path, payload={name: value}).is_success:
            record.fields[name].acknowledged = position

    def _sign_up(self, email: str = "") -> None:
        email = email or f"other-{uuid.uuid4().hex}@example.com"
        record = self._log.add(ACCOUNT, email, email)
        person = {"email": email, "password": PASSWORD, "full_name": "Ann Example"}
        self._create(record, "/api/v1/auth/signup", payload=person)

    def _log_in(self) -> None:
        credentials = {"email": self.email, "password": PASSWORD}
        self._keep_tokens(self._send("POST", "/api/v1/auth/login", payload=credentials))

    def _exchange_token(self) -> None:
        token, self._refresh = self._refresh, None  # whatever happens, it can be used once
        if token is not None:
            payload = {"refresh_token": token}
            self._keep_tokens(self._send("POST", "/api/v1/auth/refresh", payload=payload))

    def _keep_tokens(self, answer: Answer) -> None:
        if answer.is_success:
            self._token, self._refresh = answer.body["access_token"], answer.body["refresh_token"]
            key = hashlib.sha256(self._refresh.encode()).hexdigest()
            self._log.add(LOGIN, key, self.email).id = key

    def _create_patient(self) -> None:
        name = f"Bo {uuid.uuid4().hex}"
        record = self._log.add(PATIENT, name, self.email)
        record.fields["phone"] = FieldLog(["+43 1 234567"])
        self._create(record, "/api/patients/", payload={"full_name": name, "phone": "+43 1 234567"})
        if record.is_acknowledged:
            self._patients.append(record)

    def _change_patient(self) -> None:
        if self._patients:
            record = self._random.choice(self._patients[-20:])
            self._change(record, f"/api/patients/{record.id}", "phone")

    def _upload(self, recording: bytes | None = None, *, dies: bool = False) -> Record:
        if not self._patients:
            self._create_patient()
        if recording is None:
            size = self._random.choice(SIZES_BYTES)
            recording = CHUNK + self._random.randbytes(size - size % 2)
        sha256 = hashlib.sha256(recording).hexdigest()
        record = self._log.add(SESSION, sha256, self.email)
        record.dies = dies
        record.fields["therapist_notes"] = FieldLog([f"notes {sha256}"])
        if self._patients:
            fields = {"patient_id": self._patients[-1].id or "", "notes": f"notes {sha256}"}
            content = form(fields, recording)
            self._create(record, "/api/sessions/upload", content=content)
        if record.is_acknowledged and not dies:
            self._sessions.append(record)
        return record

    def _change_session(self) -> None:
        if self._sessions:
            record = self._random.choice(self._sessions[-20:])
            self._change(record, f"/api/sessions/{record.id}", "therapist_notes")

    def _request_notes(self) -> None:
        """Request notes again; a 409 says that there is no transcript yet."""
        if self._sessions:
            record = self._random.choice(self._sessions[-20:])
            self._send("POST", f"/api/sessions/{record.id}/extract-notes")
