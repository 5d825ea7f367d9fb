"""Bytes as they are, and an ingress: what can be tried of them is."""

from __future__ import annotations

import pytest

from tests.e2e.doctor.conftest import doctor
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.plain_agent import PlainAgent
from tests.fakes.scripted_upstream import Conversation, ScriptedUpstream, answering, echo


def _silent(conversation: Conversation) -> None:
    conversation.wait_gone()


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("trusts", [True, False])
def test_tcp(
    gateway: GatewayProcess,
    upstream: ScriptedUpstream,
    authority: Authority,
    *,
    runs: bool,
    trusts: bool,
) -> None:
    whom = authority if trusts else Authority()
    upstream.context = server_context(authority.issue("localhost"), whom, alpn=())
    upstream.script = _silent
    text = gateway.config.read_text().replace("https://localhost", "tls://localhost")
    gateway.write_config(text.replace('name = "planner"', 'name = "planner"\nkind = "tcp"'))
    if runs:
        gateway.start()
        gateway.until_ready()
    report = doctor(gateway)
    assert report.at("tls")["result"] == "pass", report.findings
    accepted = report.at("accepted")
    assert accepted["result"] == ("pass" if trusts else "fail"), accepted
    assert accepted["reason"] == ("" if trusts else "certificate_refused")
    assert report.at("http")["detail"] == "skipped: because the route carries bytes as they are"


@pytest.mark.parametrize("runs", [False, True])
def test_an_ingress(gateway: GatewayProcess, *, runs: bool) -> None:
    with PlainAgent(answering(echo)) as agent:
        text = gateway.config.read_text().split("[[routes]]")[0]
        gateway.write_config(f"""{text}
[[routes]]
name = "inward"
kind = "ingress"
listen = "127.0.0.1:0"
upstream = "http://127.0.0.1:{agent.port}"
peer = ["spiffe://acme.example/**"]
""")
        if runs:
            gateway.start()
            gateway.until_ready()
        report = doctor(gateway)
    assert report.code == 0, report.findings
    assert report.results("callers", "tcp", "http") == dict.fromkeys(
        ("callers", "tcp", "http"), "pass"
    )
    assert "plaintext" in report.at("tls")["detail"]
