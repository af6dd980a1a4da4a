"""Packets that are lost on their way are not the service's fault."""

from pathlib import Path
from typing import Any

import pytest
from diagnosis_results import causes, complaint, errors_of, failed_run, first
from straingauge.observe.network import read_segments

LOAD_S = 30


def counted(again: int, *, from_s: int = 0) -> list[dict[str, Any]]:
    """Return samples with retransmissions from a second on."""
    share = again / (LOAD_S - from_s)
    return [
        {
            "t_s": float(t_s),
            "segments_sent": 70_000.0 + 100 * t_s,
            "segments_retransmitted": 500.0 + share * max(t_s - from_s, 0),
        }
        for t_s in range(LOAD_S + 1)
    ]


def interrupted(first_s: int, last_s: int) -> list[dict[str, Any]]:
    """Return intervals, with nothing but errors in some of them."""
    return [
        {"start_s": t_s, "requests": 30, "errors": 30 if first_s <= t_s < last_s else 0}
        for t_s in range(LOAD_S)
    ]


def test_an_interrupted_network_is_no_fault_of_the_service():
    """Timeouts while nothing is acknowledged: the network is the first cause, from then on."""
    result = failed_run(
        complaint("error_rate_percent"),
        **errors_of("timeout", 150, "no complete response within 2 s"),
        resources__samples=counted(90, from_s=10),
    )
    result["intervals"] = interrupted(10, 15)
    found = first(result)
    assert found["cause"] == "packets_lost"
    assert "from 10 s to 15 s of the load, no request was answered" in found["evidence"]
    assert "service's log" not in found["advice"][0]


def test_a_frozen_service_acknowledges_what_it_does_not_answer():
    """The same timeouts without retransmissions remain those of the service."""
    result = failed_run(
        complaint("error_rate_percent"),
        **errors_of("timeout", 150, "no complete response within 2 s"),
        resources__samples=counted(1),
    )
    result["intervals"] = interrupted(10, 15)
    assert causes(result)[0] == "endpoint_errors"


@pytest.mark.parametrize(("connections", "confidence"), [(2, 0.85), (200, 0.6)])
def test_lost_packets_are_told_from_a_full_accept_queue(connections: int, confidence: float):
    """With many new connections, a service that accepts them late looks the same: it is said."""
    result = failed_run(resources__samples=counted(20))
    result["resources"]["generator"]["processes"]["a"]["connections"] = connections
    found = first(result)
    assert (found["cause"], found["confidence"]) == ("packets_lost", confidence)


def test_segments_are_read_from_the_kernel_without_connects(tmp_path: Path):
    """A SYN that is sent again does not count; without counters there is no sample."""
    assert read_segments(tmp_path) == {}
    (tmp_path / "snmp").write_text("Ip: A\nIp: 1\nTcp: OutSegs RetransSegs\nTcp: 900 12\n")
    (tmp_path / "netstat").write_text("TcpExt: X TCPSynRetrans\nTcpExt: 1 5\n")
    assert read_segments(tmp_path) == {"segments_sent": 900.0, "segments_retransmitted": 7.0}
