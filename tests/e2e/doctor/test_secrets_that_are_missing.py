"""A secret that a route attaches, kept or not, and an agent that doesn't like it."""

from __future__ import annotations

from tests.e2e.doctor.conftest import doctor
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import Received, ScriptedUpstream, answering, response

_ROUTE = """
[routes.headers]
Authorization = "Bearer {secret:planner-token}"
[secrets]
store = "folder"
folder = "secrets"
"""


def _keep(gateway: GatewayProcess, value: str) -> None:
    gateway.configure(more=_ROUTE)
    folder = gateway.folder / "secrets"
    folder.mkdir(mode=0o700)
    if value:
        file = folder / "planner-token"
        file.touch(0o600)
        file.write_text(value)


def _guarded(received: Received) -> bytes:
    if received.fields.get("authorization") == "Bearer right-value":
        return response(b"hello")
    return response(b"", "WWW-Authenticate: Bearer", status="401 Unauthorized")


def test_it_is_not_kept(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    _keep(gateway, "")
    report = doctor(gateway)
    found = report.at("secrets")
    assert found["result"] == "fail"
    assert "has no secret planner-token (for planner)" in found["detail"]
    # Nothing is sent without it, and the certificate can be tried nevertheless.
    assert report.at("accepted")["result"] == "pass"
    assert report.at("http")["reason"] == "route_unavailable"
    assert upstream.requests == []


def test_it_is_kept_and_right(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    _keep(gateway, "right-value")
    upstream.script = answering(_guarded)
    report = doctor(gateway)
    assert report.code == 0, report.findings
    assert report.at("http")["detail"] == "answers 200"
    assert [event["name"] for event in gateway.audit()] == ["planner-token"]


def test_it_is_kept_and_wrong(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    _keep(gateway, "wrong-value")
    upstream.script = answering(_guarded)
    report = doctor(gateway)
    found = report.at("http")
    assert found["result"] == "fail"
    assert found["detail"].startswith("answers 401 (Bearer)")
    assert "wrong-value" not in str(report.findings)


def test_a_running_gateway_tells_it(gateway: GatewayProcess) -> None:
    _keep(gateway, "")
    gateway.start()
    gateway.until(lambda body: bool(body["routes"][0]["unavailable"]))
    report = doctor(gateway)
    assert report.at("secrets")["result"] == "fail"
    assert "planner-token" in report.at("secrets")["detail"]
    assert report.at("http")["reason"] == "route_unavailable"


def test_what_a_running_gateway_does_not_need_is_looked_for_in_the_store(
    gateway: GatewayProcess,
) -> None:
    _keep(gateway, "right-value")
    text = gateway.config.read_text()
    gateway.write_config(text + '[run]\nsecrets = ["planner-token", "db-password"]\n')
    gateway.start()
    gateway.until_ready()
    read, missing = doctor(gateway).all("secrets")
    assert read["detail"] == "the running gateway has read planner-token"
    assert missing["result"] == "fail"
    assert "has no secret db-password (for [run])" in missing["detail"]
