"""MCP of both eras, LangGraph and A2A are told from plain HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.doctor.conftest import doctor
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.mcp_agent import McpAgent
from tests.fakes.scripted_upstream import Received, ScriptedUpstream, answering, response

_JSON = "Content-Type: application/json"


@pytest.mark.parametrize("runs", [False, True])
def test_mcp(tmp_path: Path, authority: Authority, *, runs: bool) -> None:
    context = server_context(authority.issue("localhost"), authority)
    with (
        McpAgent(context) as agent,
        GatewayProcess(tmp_path, authority, upstream_port=agent.port) as gateway,
    ):
        if runs:
            gateway.start()
            gateway.until_ready()
        report = doctor(gateway)
    assert report.code == 0, report.findings
    modern, legacy = (item["detail"] for item in report.all("protocol"))
    assert modern.startswith("MCP at /mcp: ")
    assert "2026-07-28" in modern
    assert "begins sessions of 2025-11-25" in legacy


def test_langgraph_and_a_card(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    card = {"name": "planner", "url": "https://agents.example/a2a"}

    def answer(received: Received) -> bytes:
        if received.target == "/ok":
            return response(b'{"ok":true}', _JSON)
        if received.target == "/.well-known/agent-card.json":
            return response(json.dumps(card).encode(), _JSON)
        return response(b"", status="404 Not Found")

    upstream.script = answering(answer)
    report = doctor(gateway)
    langgraph, a2a = report.all("protocol")
    assert langgraph["result"] == "pass"
    assert langgraph["detail"].startswith("LangGraph: ")
    assert a2a["result"] == "warn"
    assert "leads clients to https://agents.example, past the gateway" in a2a["detail"]


@pytest.mark.parametrize("agent_card", ["keep", "rewrite"])
def test_a_card_of_the_upstreams_own(
    gateway: GatewayProcess, upstream: ScriptedUpstream, agent_card: str
) -> None:
    card = {"name": "planner", "url": f"https://localhost:{upstream.port}/a2a"}
    upstream.script = answering(
        lambda received: (
            response(json.dumps(card).encode(), _JSON)
            if received.target == "/.well-known/agent-card.json"
            else response(b"", status="404 Not Found")
        )
    )
    gateway.configure(more=f'agent_card = "{agent_card}"\n')
    found = doctor(gateway).at("protocol")
    if agent_card == "rewrite":
        assert found["detail"] == "A2A: the card of 'planner' leads here"
    else:
        assert "past the gateway" in found["detail"]
        assert 'agent_card = "rewrite"' in found["remedy"]
