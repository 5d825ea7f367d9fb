"""An upstream's name that nobody knows ends the route's ladder at DNS."""

from __future__ import annotations

from tests.e2e.doctor.conftest import doctor
from tests.fakes.gateway_process import GatewayProcess


def test_it_is_told(gateway: GatewayProcess) -> None:
    # RFC 6761 section 6.4: a name that never resolves.
    text = gateway.config.read_text().replace("https://localhost:", "https://agent.invalid:")
    gateway.write_config(text)
    report = doctor(gateway)
    dns = report.at("dns")
    assert (dns["result"], dns["reason"]) == ("fail", "unresolved"), report.findings
    assert "agent.invalid" in dns["detail"]
    assert report.at("tcp")["detail"] == "skipped: because dns failed"
    assert report.at("tls")["result"] == "skip"
