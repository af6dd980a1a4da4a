"""Look-ups of host names are seen as calls to the name server."""

import os
import socket
from pathlib import Path

import pytest
from straingauge.observe import name_lookups
from straingauge.observe import sockets as sockets_module
from straingauge.observe.name_lookups import LookUp, read_lookups
from straingauge.observe.sockets import Calls, ServiceSockets, Socket

ME = {os.getpid()}
UDP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 10: 0100007F:A1B2 {server}:{port} 01 00000000:00000000 00:00000000 00000000  0  0 {inode} 2 0000 0
 11: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000  0  0 78 2 0000 0
"""


def native(address: str) -> str:
    """Return an IPv4 address as the kernel prints it: a number in the machine's byte order."""
    return f"{socket.ntohl(int.from_bytes(socket.inet_aton(address))):08X}"


def test_sockets_that_are_connected_to_a_name_server(tmp_path: Path):
    """Only sockets whose other end has port 53 are look-ups, in both families."""
    row = UDP.format(server=native("127.0.0.53"), port="0035", inode=77)
    (tmp_path / "udp").write_text(row)
    six = "0" * 24 + native("0.0.0.1")
    (tmp_path / "udp6").write_text(UDP.format(server=six, port="0035", inode=79))
    assert read_lookups(tmp_path) == [LookUp("127.0.0.53", 77), LookUp("::1", 79)]
    (tmp_path / "udp").write_text(UDP.format(server=native("192.0.2.9"), port="01BB", inode=77))
    (tmp_path / "udp6").unlink()
    assert read_lookups(tmp_path) == []


@pytest.mark.skipif(not read_lookups.__defaults__[0].exists(), reason="no /proc/net")
def test_a_look_up_of_this_process():
    """The kernel shows the socket of a look-up from its question to its end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.connect(("127.0.0.53", name_lookups.PORT))
        inode = os.fstat(resolver.fileno()).st_ino
        assert LookUp("127.0.0.53", inode) in read_lookups()
    assert LookUp("127.0.0.53", inode) not in read_lookups()


def test_a_look_up_waits_from_the_sample_that_sees_it_first(monkeypatch: pytest.MonkeyPatch):
    """A look-up of the service counts as a call, and gets older; those of others do not count."""
    listening = Socket(10, 8000, "127.0.0.1", 0, 0, 1, None)
    monkeypatch.setattr(sockets_module, "read_sockets", lambda: [listening])
    monkeypatch.setattr(sockets_module, "_inodes", lambda _: {77})
    monkeypatch.setattr(
        name_lookups, "read_lookups", lambda: [LookUp("192.0.2.1", 77), LookUp("192.0.2.1", 78)]
    )
    monkeypatch.setattr(sockets_module.time, "monotonic", iter([100.0, 100.5]).__next__)
    observed = ServiceSockets(8000)
    assert observed.sample(ME)["calls_waiting"] == 1
    assert observed.sample(ME)["calls_waiting"] == 1
    assert observed.calls == {"192.0.2.1:53": Calls("", 2, 2, 1, 500)}
