"""A route that lets in only who shows a token: doctor shows it, where it can."""

from __future__ import annotations

from tests.e2e.doctor.conftest import doctor
from tests.fakes.gateway_process import GatewayProcess

_RULES = """
[[routes.allow]]
token = "ide"
[secrets]
store = "folder"
folder = "secrets"
"""


def test_it_has_the_token(gateway: GatewayProcess) -> None:
    _start(gateway)
    report = doctor(gateway)
    assert report.code == 0, report.findings
    assert report.at("http")["result"] == "pass"
    assert ("secret.read", "doctor") in [
        (event["action"], event["reason"]) for event in gateway.audit()
    ]


def test_it_is_not_let_in(gateway: GatewayProcess) -> None:
    _start(gateway)
    (gateway.folder / "secrets" / "local-token.ide").write_text("another-one" * 4)
    report = doctor(gateway)
    assert report.at("accepted")["result"] == "skip"
    assert "this caller may not use the route" in report.at("accepted")["detail"]
    assert report.at("tls")["result"] == "pass"
    assert [item["result"] for item in report.all("callers")] == ["pass", "warn"]
    told = gateway.command("doctor")
    assert "the route's rules refuse this user's own requests with 403" in told.stdout
    assert "nothing is wrong" not in told.stdout


def _start(gateway: GatewayProcess) -> None:
    folder = gateway.folder / "secrets"
    folder.mkdir(mode=0o700)
    file = folder / "local-token.ide"
    file.touch(0o600)
    file.write_text("0123456789abcdef" * 4)
    gateway.configure(more=_RULES)
    gateway.start()
    gateway.until_ready()
