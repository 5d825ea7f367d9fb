"""What is taken for MCP, LangGraph or an agent card, and what isn't."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.doctor.finding import Finding
from gateway.doctor.message import Missed, Reply, Request
from gateway.doctor.protocols import Upstream, probe

_JSON = {"content-type": "application/json"}
_STREAM = {"content-type": "text/event-stream"}
_ORIGINS = frozenset({"https://agent.example"})


class Agent:
    """Answers by method and path, MCP by the method in the body, and everything else with 404."""

    def __init__(self, answers: Mapping[str, Reply | Missed]) -> None:
        self.answers = answers
        self.asked: list[Request] = []

    async def __call__(self, request: Request) -> Reply:
        self.asked.append(request)
        key = f"{request.method} {request.path}"
        if request.method == "POST":
            key = str(json.loads(request.body)["method"])
        answer = self.answers.get(key, Reply(status=404, headers={}, body=b"<html>"))
        if isinstance(answer, Missed):
            raise answer
        return answer


def _json(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status=status, headers=_JSON | headers, body=json.dumps(value).encode())


async def _found(agent: Agent) -> list[Finding]:
    return await probe(Upstream("planner", agent, "/mcp", _ORIGINS))


async def test_nothing_that_is_known() -> None:
    (found,) = await _found(Agent({}))
    assert found.result == "pass"
    assert found.detail.startswith("plain HTTP: ")


async def test_modern_mcp_says_all_about_itself() -> None:
    result = {
        "supportedVersions": ["2026-07-28"],
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "planner", "version": "1"}},
    }
    agent = Agent({"server/discover": _json({"jsonrpc": "2.0", "id": 1, "result": result})})
    (found,) = await _found(agent)
    assert found.detail == "MCP at /mcp: 'planner' speaks 2026-07-28"
    first = agent.asked[0]
    assert first.headers["Mcp-Method"] == "server/discover"
    assert first.headers["MCP-Protocol-Version"] == "2026-07-28"
    meta = json.loads(first.body)["params"]["_meta"]
    assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"


async def test_modern_mcp_of_another_version() -> None:
    error = {"code": -32022, "message": "no", "data": {"supported": ["2027-01-01"]}}
    agent = Agent({"server/discover": _json({"id": 1, "error": error}, status=400)})
    (found,) = await _found(agent)
    assert found.result == "warn"
    assert "speaks 2027-01-01" in found.detail


async def test_legacy_mcp_and_its_session_is_ended() -> None:
    said = {"id": 1, "result": {"protocolVersion": "2025-06-18", "serverInfo": {"name": "x"}}}
    body = b": hello\n\nevent: message\ndata: " + json.dumps(said).encode() + b"\n\n"
    reply = Reply(status=200, headers=_STREAM | {"mcp-session-id": "s1"}, body=body)
    agent = Agent({"initialize": reply})
    (found,) = await _found(agent)
    assert found.detail == "MCP at /mcp: 'x' begins sessions of 2025-06-18"
    (ended,) = [item for item in agent.asked if item.method == "DELETE"]
    assert ended.headers["Mcp-Session-Id"] == "s1"
    # Of a stream that stays open no more is read than the answer.
    asked = next(item for item in agent.asked if b"initialize" in item.body)
    assert not asked.enough(body[:-1])
    assert asked.enough(body)


@pytest.mark.parametrize(
    "version", ["2025-06-18\r\nX-Made-Up: 1", "\ud800", "", "x" * 33, "2025-06-18\n", [], {}]
)
async def test_a_version_that_is_none_is_not_sent_back(version: object) -> None:
    result = {"protocolVersion": version, "serverInfo": {"name": "x"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
    begun = Reply(status=200, headers=_JSON | {"mcp-session-id": "s1"}, body=body)
    agent = Agent({"initialize": begun})
    (found,) = await _found(agent)
    assert found.detail.startswith("plain HTTP")
    assert all(request.method != "DELETE" for request in agent.asked)


@pytest.mark.parametrize("code", [[], {}, None, "-32022", -32022.5])
async def test_an_error_of_any_shape(code: object) -> None:
    refused = _json({"jsonrpc": "2.0", "id": 1, "error": {"code": code}}, status=400)
    (found,) = await _found(Agent({"server/discover": refused}))
    assert found.detail.startswith("plain HTTP")


@pytest.mark.parametrize("status", [401, 403])
async def test_mcp_that_lets_nobody_in(status: int) -> None:
    agent = Agent({"server/discover": Reply(status=status, headers={}, body=b"")})
    found = (await _found(agent))[0]
    assert (found.rung, found.result) == ("protocol", "fail")


@pytest.mark.parametrize("body", [b'{"ok":true}', b'{"ok":true,"more":[1]}'])
async def test_langgraph(body: bytes) -> None:
    (found,) = await _found(Agent({"GET /ok": Reply(status=200, headers=_JSON, body=body)}))
    assert (found.result, found.detail) == ("pass", "LangGraph: /ok says that all is well")


async def test_langgraph_that_is_not_well() -> None:
    (found,) = await _found(Agent({"GET /ok": _json({"ok": False}, status=500)}))
    assert found.result == "warn"


@pytest.mark.parametrize("body", [b"ok", b"[true]", b'{"ok":"true"}', b"\xff", b"[" * 100_000])
async def test_another_ok(body: bytes) -> None:
    (found,) = await _found(Agent({"GET /ok": Reply(status=200, headers={}, body=body)}))
    assert found.detail.startswith("plain HTTP")


@pytest.mark.parametrize(
    "card",
    [
        {"name": "a", "url": "https://agent.example/a2a"},
        {"name": "a", "supportedInterfaces": [{"url": "https://AGENT.example/"}]},
        {"name": "a", "url": "https://agent.example", "additionalInterfaces": [{"url": "h:1"}]},
    ],
)
async def test_a_card_that_leads_here(card: dict[str, Any]) -> None:
    (found,) = await _found(Agent({"GET /.well-known/agent-card.json": _json(card)}))
    assert (found.result, found.detail) == ("pass", "A2A: the card of 'a' leads here")


async def test_a_card_that_leads_past_the_gateway() -> None:
    card = {"name": "a", "supportedInterfaces": [{"url": "https://other.example/x"}]}
    (found,) = await _found(Agent({"GET /.well-known/agent-card.json": _json(card)}))
    assert found.result == "warn"
    assert "leads clients to https://other.example, past the gateway" in found.detail


async def test_a_card_that_leads_to_very_many_places() -> None:
    urls = [{"url": f"https://{number:05}.example/x"} for number in range(5_000)]
    card = {"name": "a", "url": "https://" + "x" * 5_000, "supportedInterfaces": urls}
    (found,) = await _found(Agent({"GET /.well-known/agent-card.json": _json(card)}))
    assert "https://00003.example, 4997 more, past" in found.detail
    assert len(found.detail) < 2_000


@pytest.mark.parametrize("card", [{}, {"name": 1, "url": "https://x"}, {"name": "a"}, []])
async def test_no_card(card: Any) -> None:
    (found,) = await _found(Agent({"GET /.well-known/agent-card.json": _json(card)}))
    assert found.detail.startswith("plain HTTP")


async def test_a_way_that_breaks_is_told() -> None:
    agent = Agent({"GET /ok": Missed("response_timeout", "no answer in 5 s")})
    (found,) = await _found(agent)
    assert (found.result, found.reason) == ("fail", "response_timeout")
