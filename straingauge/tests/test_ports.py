"""Ports for services that are started."""

import socket

import pytest
from straingauge.target import ports
from straingauge.target.ports import HOST, free_port


def test_no_outgoing_connection_gets_the_port_of_a_service():
    """A load opens thousands of connections, which must not take the port before the service."""
    lowest_outgoing = 32_768
    chosen = [free_port() for _ in range(200)]
    assert all(1024 < port < lowest_outgoing for port in chosen)
    assert len(set(chosen)) > 150  # at random, so that test processes rarely choose the same


def test_a_port_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch):
    """A port on which a program listens is skipped; if all are in use, the system chooses."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_PORTS", range(port, port + 1))
        assert free_port() != port
    monkeypatch.setattr(ports, "_PORTS", range(port, port + 1))
    assert free_port() == port
