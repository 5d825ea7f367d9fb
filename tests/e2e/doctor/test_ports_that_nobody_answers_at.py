"""A port that is closed, and one that swallows what is sent to it."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.doctor.conftest import doctor
from tests.fakes.authority import Authority
from tests.fakes.black_hole import black_hole
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.stack import free_port


def test_a_closed_one(tmp_path: Path, authority: Authority) -> None:
    with GatewayProcess(tmp_path, authority, upstream_port=free_port()) as gateway:
        report = doctor(gateway)
    tcp = report.at("tcp")
    assert (tcp["result"], tcp["reason"]) == ("fail", "unreachable")
    assert "refused" in tcp["detail"]
    assert report.at("tls")["detail"] == "skipped: because tcp failed"


def test_a_silent_one(tmp_path: Path, authority: Authority) -> None:
    with (
        black_hole() as port,
        GatewayProcess(tmp_path, authority, upstream_port=port) as gateway,
    ):
        # Localhost may be more than one address, and the others refuse.
        gateway.configure(more=f'addresses = ["127.0.0.1:{port}"]\n')
        tcp = doctor(gateway, "--timeout", "1").at("tcp")
    assert (tcp["result"], tcp["reason"]) == ("fail", "connect_timeout")
    assert "did not answer in 1 s" in tcp["detail"]


def test_a_route_that_is_fine_is_not_held_up(tmp_path: Path, gateway: GatewayProcess) -> None:
    with black_hole() as port:
        gateway.configure(
            more=f"""
[[routes]]
name = "silent"
listen = "127.0.0.1:0"
upstream = "https://localhost:{port}"
addresses = ["127.0.0.1:{port}"]
"""
        )
        report = doctor(gateway, "--timeout", "1")
    assert report.at("tcp", "silent")["result"] == "fail"
    assert report.at("http", "planner")["result"] == "pass"
