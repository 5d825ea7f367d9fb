"""`gateway.bridge.mirrored`: only what the protocol allows."""

from __future__ import annotations

import json
from typing import Any

from gateway.bridge.messages import Message, parsed
from gateway.bridge.mirrored import Mirrored


def said(**value: Any) -> Message:
    return parsed(json.dumps({"jsonrpc": "2.0", "id": 1, **value}).encode())


def test_tools_are_learnt() -> None:
    properties = {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "inner": {"properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
        "float": {"type": "number", "x-mcp-header": "F"},
        "split": {"type": "string", "x-mcp-header": "a: b"},
        "items": {"items": {"properties": {"x": {"type": "string", "x-mcp-header": "X"}}}},
        "odd": True,
    }
    tools = [{"name": "find", "inputSchema": {"properties": properties}}, {"name": 1}, 7]
    known = Mirrored()
    known.learn(said(result={"tools": tools}))
    call = said(method="tools/call", params={"name": "find"})
    assert known.of(call) == {("region",): "Region", ("inner", "n"): "N"}
    assert known.of(said(method="prompts/get", params={"name": "find"})) == {}
    assert known.of(said(method="tools/call", params={"name": "other"})) == {}


def test_an_answer_without_tools_teaches_nothing() -> None:
    known = Mirrored()
    values: list[dict[str, Any]] = [{"error": {}}, {"result": []}, {"result": {"tools": {}}}]
    for value in values:
        known.learn(said(**value))
    known.learn(said(result={"tools": [{"name": "t", "inputSchema": []}]}))
    assert known.of(said(method="tools/call", params={"name": "t"})) == {}


def test_a_schema_of_any_shape_ends_nothing() -> None:
    deep: dict[str, Any] = {"type": "string", "x-mcp-header": "Deep"}
    for _ in range(40):
        deep = {"properties": {"a": deep}}
    properties = {
        "either": {"type": ["string", "null"], "x-mcp-header": "Either"},
        "table": {"type": {}, "x-mcp-header": "Table"},
        "deep": deep,
        "plain": {"type": "string", "x-mcp-header": "Plain"},
    }
    known = Mirrored()
    known.learn(said(result={"tools": [{"name": "t", "inputSchema": {"properties": properties}}]}))
    assert known.of(said(method="tools/call", params={"name": "t"})) == {("plain",): "Plain"}
