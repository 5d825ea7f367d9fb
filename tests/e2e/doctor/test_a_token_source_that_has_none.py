"""A source of tokens that gives none, and one that does."""

from __future__ import annotations

from tests.e2e.doctor.conftest import doctor
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream

_ROUTE = """
[routes.headers]
Authorization = "Bearer {token:planner}"
[tokens.planner]
source = "file"
path = "token"
"""


def test_its_file_is_not_there(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    gateway.configure(more=_ROUTE)
    report = doctor(gateway)
    found = report.at("tokens")
    assert (found["result"], found["about"]) == ("fail", "planner")
    assert found["remedy"]
    assert upstream.requests == []


def test_its_file_is_there(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    gateway.configure(more=_ROUTE)
    file = gateway.folder / "token"
    file.touch(0o600)
    file.write_text("right-value")
    report = doctor(gateway)
    assert report.code == 0, report.findings
    assert report.at("tokens")["result"] == "pass"
    assert upstream.requests[-1].fields["authorization"] == "Bearer right-value"
    assert "right-value" not in str(report.findings)
