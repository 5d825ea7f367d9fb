"""Which of the agents' protocols an upstream speaks: MCP of both eras, LangGraph, A2A."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from gateway.bridge.event_stream import EventReader, EventTooLarge
from gateway.doctor import answers
from gateway.doctor.finding import Finding
from gateway.doctor.message import Ask, Missed, Reply, Request

_MODERN: Final = "2026-07-28"
_LEGACY: Final = "2025-11-25"
_CLIENT: Final = {"name": "devwiz-gw doctor", "version": "1"}
_META: Final = "io.modelcontextprotocol/"
#: JSON-RPC errors by which a server of the modern era is known (2026-07-28, basic/versioning).
_MODERN_ERRORS: Final = frozenset({-32020, -32021, -32022})
_CARD: Final = "/.well-known/agent-card.json"
# It is sent back in a header.
_VERSION: Final = re.compile(r"[0-9A-Za-z._-]{1,32}")
_MOST_ORIGINS: Final = 4
_MOST_EVENT: Final = 1024 * 1024

Probe = Callable[["Upstream"], Awaitable[Finding | None]]


class Upstream:
    """A route's upstream: `ask` reaches it, `path` is where MCP would be, and agent cards may lead
    to the `origins`.
    """

    def __init__(self, name: str, ask: Ask, path: str, origins: frozenset[str]) -> None:
        self.name = name
        self.ask = ask
        self.path = path
        self.origins = origins

    def found(self, detail: str) -> Finding:
        """A protocol that is spoken."""
        return Finding(rung="protocol", about=self.name, result="pass", detail=detail)

    def doubt(self, detail: str, remedy: str) -> Finding:
        """One that is spoken with a catch."""
        return Finding(
            rung="protocol", about=self.name, result="warn", detail=detail, remedy=remedy
        )


async def probe(upstream: Upstream) -> list[Finding]:
    """A finding for each protocol that is spoken; one for plain HTTP where it is none of them."""
    found: list[Finding] = []
    for look in (_modern_mcp, _legacy_mcp, _langgraph, _agent_card):
        try:
            finding = await look(upstream)
        except Missed as missed:
            rest = answers.missed(missed.failure, about=upstream.name, rung="protocol")
            return [*found, rest]
        if finding is not None:
            found.append(finding)
    if found:
        return found
    detail = (
        f"plain HTTP: neither MCP at {upstream.path}, LangGraph at /ok nor an agent card at {_CARD}"
    )
    return [upstream.found(detail)]


# MCP


async def _modern_mcp(upstream: Upstream) -> Finding | None:
    """2026-07-28: no session, and each request says all about itself."""
    meta = {
        f"{_META}protocolVersion": _MODERN,
        f"{_META}clientInfo": _CLIENT,
        f"{_META}clientCapabilities": {},
    }
    headers = {"MCP-Protocol-Version": _MODERN, "Mcp-Method": "server/discover"}
    reply = await upstream.ask(_mcp(upstream, "server/discover", {"_meta": meta}, headers))
    if reply.status in (401, 403, 407, 421):
        return answers.judge(reply, about=upstream.name, attaches=True, rung="protocol")
    said = _message(reply)
    result, error = _object(said.get("result")), _object(said.get("error"))
    if versions := _texts(result.get("supportedVersions")):
        who = _named(_object(_object(result.get("_meta")).get(f"{_META}serverInfo")))
        return upstream.found(f"MCP at {upstream.path}: {who}speaks {', '.join(versions)}")
    code = error.get("code")
    if not isinstance(code, int) or code not in _MODERN_ERRORS:
        return None
    versions = _texts(_object(error.get("data")).get("supported"))
    detail = f"MCP at {upstream.path}: it refuses version {_MODERN}"
    return upstream.doubt(
        f"{detail}, and speaks {', '.join(versions)}" if versions else detail,
        "clients of another version may still work with it",
    )


async def _legacy_mcp(upstream: Upstream) -> Finding | None:
    """Up to 2025-11-25: a session is begun, and ended at once."""
    params = {"protocolVersion": _LEGACY, "capabilities": {}, "clientInfo": _CLIENT}
    reply = await upstream.ask(_mcp(upstream, "initialize", params, {}))
    result = _object(_message(reply).get("result"))
    version = result.get("protocolVersion")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        return None
    session = reply.headers.get("mcp-session-id", "")
    if session:
        headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": version}
        await upstream.ask(Request(method="DELETE", path=upstream.path, headers=headers))
    who = _named(_object(result.get("serverInfo")))
    return upstream.found(f"MCP at {upstream.path}: {who}begins sessions of {version}")


def _mcp(
    upstream: Upstream, method: str, params: Mapping[str, Any], headers: Mapping[str, str]
) -> Request:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return Request(
        method="POST",
        path=upstream.path,
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **headers,
        },
        body=json.dumps(message).encode(),
        enough=_has_answer,
    )


def _has_answer(body: bytes) -> bool:
    """Whether an event stream, which may stay open, has brought what was asked for."""
    return bool(_event(body))


def _message(reply: Reply) -> Mapping[str, Any]:
    if reply.headers.get("content-type", "").startswith("text/event-stream"):
        return _event(reply.body)
    return _object(reply.json)


def _event(body: bytes) -> Mapping[str, Any]:
    """The JSON-RPC answer in an event stream, as far as it came."""
    try:
        for event in EventReader(_MOST_EVENT).feed(body):
            message = _object(_json(event.data))
            if message.get("id") == 1 and message.keys() & {"result", "error"}:
                return message
    except EventTooLarge:
        pass
    return {}


# The others


async def _langgraph(upstream: Upstream) -> Finding | None:
    reply = await upstream.ask(Request(method="GET", path="/ok"))
    if reply.status == 200 and _object(reply.json).get("ok") is True:
        return upstream.found("LangGraph: /ok says that all is well")
    if reply.status >= 500 and "ok" in _object(reply.json):
        return upstream.doubt("LangGraph: /ok says that it is not", "look at the server's log")
    return None


async def _agent_card(upstream: Upstream) -> Finding | None:
    reply = await upstream.ask(Request(method="GET", path=_CARD))
    card = _object(reply.json)
    if reply.status != 200 or not isinstance(card.get("name"), str):
        return None
    urls = list(_card_urls(card))
    if not urls:
        return None
    name = f"A2A: the card of {card['name'][:80]!r}"
    elsewhere = sorted({_origin(url) for url in urls} - upstream.origins)
    if not elsewhere:
        return upstream.found(f"{name} leads here")
    return upstream.doubt(
        f"{name} leads clients to {_first_of(elsewhere)}, past the gateway",
        'write agent_card = "rewrite" in the route, which maps the upstream\'s own origin, and let '
        "the agent name no other one",
    )


def _card_urls(card: Mapping[str, Any]) -> list[str]:
    """Where a card of version 1.0, or 0.3, says that the agent is."""
    interfaces = [card, *_list(card.get("supportedInterfaces"))]
    interfaces += _list(card.get("additionalInterfaces"))
    urls = [_object(item).get("url") for item in interfaces]
    # gRPC's are HOST:PORT, and need a route of kind tcp.
    return [url for url in urls if isinstance(url, str) and "://" in url]


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme.lower()}://{rest.partition('/')[0].lower()}"


def _first_of(origins: list[str]) -> str:
    """The first of them, as a server may name any number of any length."""
    named = [origin[:262] for origin in origins[:_MOST_ORIGINS]]
    more = len(origins) - len(named)
    return ", ".join([*named, *([f"{more} more"] if more else [])])


def _named(info: Mapping[str, Any]) -> str:
    name = info.get("name")
    return f"{name[:80]!r} " if isinstance(name, str) and name else ""


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [item[:32] for item in _list(value)[:16] if isinstance(item, str)]


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
