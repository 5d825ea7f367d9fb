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
    assert {item["result"] for item in report.all("certificate")} == {"pass", "skip"}
    assert upstream.requests[0].serial


def test_with_one(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    gateway.start()
    gateway.until_ready()
    report = doctor(gateway)
    assert report.code == 0, report.findings
    rungs = ("gateway", "callers", *RUNGS)
    assert report.results(*rungs) == dict.fromkeys(rungs, "pass"), report.findings
    # The requests were the gateway's own, with its certificate.
    assert {item.serial for item in upstream.requests} != {0}
