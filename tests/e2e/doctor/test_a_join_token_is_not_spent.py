"""Without a gateway the issuer is asked whom it trusts, and not for a certificate."""

from __future__ import annotations

from tests.e2e.conftest import StartStack
from tests.e2e.doctor.conftest import doctor


def test_the_gateway_can_still_join(start_stack: StartStack) -> None:
    here = start_stack()
    token = here.gateway.folder / "join-token"
    token.write_text(here.issuer.token(uses=1))
    report = doctor(here.gateway)
    issuer = report.at("issuer")
    assert issuer["result"] == "pass", report.findings
    assert "spend a use of the join token" in report.at("accepted")["detail"]
    assert report.at("tls")["result"] == "pass"
    assert report.at("clock")["result"] == "pass"
    here.gateway.start()
    here.gateway.until_ready()
    report = doctor(here.gateway)
    assert report.code == 0, report.findings
    assert report.at("accepted")["result"] == "pass"


def test_with_join_it_is(start_stack: StartStack) -> None:
    here = start_stack()
    report = doctor(here.gateway, "--join")
    assert report.code == 0, report.findings
    assert report.at("accepted")["result"] == "pass"
