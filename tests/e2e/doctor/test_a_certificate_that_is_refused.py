"""With TLS 1.3 a handshake seems to succeed although our certificate is refused: what is read after
it tells.
"""

from __future__ import annotations

import pytest

from tests.e2e.doctor.conftest import doctor
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream


@pytest.mark.parametrize("runs", [False, True])
def test_it_shows_after_the_handshake(
    gateway: GatewayProcess, upstream: ScriptedUpstream, authority: Authority, *, runs: bool
) -> None:
    upstream.context = server_context(authority.issue("localhost"), Authority())
    if runs:
        gateway.start()
        gateway.until_ready()
    report = doctor(gateway)
    assert report.at("tls")["result"] == "pass", report.findings
    accepted = report.at("accepted")
    assert (accepted["result"], accepted["reason"]) == ("fail", "certificate_refused")
    assert "does not know the authority that issued our certificate" in accepted["detail"]
    assert report.at("http")["detail"] == "skipped: because the certificate was not accepted"


def test_a_server_that_asks_for_none(
    gateway: GatewayProcess, upstream: ScriptedUpstream, authority: Authority
) -> None:
    import ssl

    context = server_context(authority.issue("localhost"), authority)
    context.verify_mode = ssl.CERT_NONE
    upstream.context = context
    report = doctor(gateway)
    assert report.at("accepted")["result"] == "warn"
    assert "didn't ask for a certificate" in report.at("accepted")["detail"]
    assert report.at("http")["result"] == "pass"
