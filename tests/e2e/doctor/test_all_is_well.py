"""Nothing is wrong: every rung is tried, with a running gateway and without one."""

from __future__ import annotations

from tests.e2e.doctor.conftest import doctor
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream

RUNGS = ("dns", "tcp", "tls", "accepted", "http", "protocol")


def test_without_a_gateway(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    report = doctor(gateway)
    assert report.code == 0, report.findings
    assert report.at("gateway")["result"] == "warn"
    assert report.results(*RUNGS) == dict.fromkeys(RUNGS, "pass"), report.findings
    assert "TLSv1.3" in report.at("tls")["detail"]
    assert "asked for our certificate" in report.at("accepted")["detail"]
    assert report.at("protocol")["detail"].startswith("plain HTTP")
    assert all(item["result"] in {"pass", "skip"} for item in report.all("certificate"))
    assert upstream.requests[0].serial


def test_with_one(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    gateway.start()
    gateway.until_ready()
    report = doctor(gateway)
    assert report.code == 0, report.findings
    assert report.results("gateway", "callers", *RUNGS) == dict.fromkeys(
        ("gateway", "callers", *RUNGS), "pass"
    ), report.findings
    # The requests were the gateway's own, with its certificate.
    assert {item.serial for item in upstream.requests} != {0}


def test_people_see_a_line_each(gateway: GatewayProcess) -> None:
    done = gateway.command("doctor", "planner")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass  tls            planner  TLSv1.3" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("nothing is wrong: ")


def test_a_route_that_is_not_there(gateway: GatewayProcess) -> None:
    done = gateway.command("doctor", "plannr")
    assert done.returncode == 2
    assert "there is no route 'plannr'" in done.stderr
