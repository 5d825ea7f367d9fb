"""`gateway.bridge.mirrored`: only what the protocol allows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.bridge.messages import Message, parsed
from gateway.bridge.mirrored import Mirrored


def said(**value: Any) -> Message:
    return parsed(json.dumps({"jsonrpc": "2.0", "id": 1, **value}).encode())


CALL = said(method="tools/call", params={"name": "t"})


def learnt(properties: Any, **schema: Any) -> tuple[dict[str, str], Any]:
    """Whether the tool is refused, and its headers."""
    known = Mirrored()
    tool = {"name": "t", "inputSchema": {"type": "object", "properties": properties, **schema}}
    return known.learn(said(result={"tools": [tool, {"name": 1}, 7]})), known.of(CALL)


def text(header: Any = "Region") -> dict[str, Any]:
    return {"type": "string", "x-mcp-header": header}


def test_tools_are_learnt() -> None:
    properties = {
        "region": text(),
        "inner": {"properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
        "x-mcp-header": {"type": "string", "default": {"x-mcp-header": "no schema"}},
        "odd": True,
    }
    assert learnt(properties) == ({}, {("region",): "Region", ("inner", "n"): "N"})
    known = Mirrored()
    assert known.of(said(method="prompts/get", params={"name": "t"})) == {}
    assert known.of(said(method="tools/call", params={"name": "other"})) == {}


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"a": text("")}, "token"),
        ({"a": text("a b")}, "token"),
        ({"a": text("a:")}, "token"),
        ({"a": text("\u00e4")}, "token"),
        ({"a": text("a\r\nb")}, "token"),
        ({"a": text(None)}, "token"),
        ({"a": text() | {"type": "number"}}, "integer"),
        ({"a": text() | {"type": "object"}}, "integer"),
        ({"a": text() | {"type": ["string", "null"]}}, "integer"),
        ({"a": text() | {"type": {}}}, "integer"),
        ({"a": {"x-mcp-header": "A"}}, "integer"),
        ({"a": text("A"), "b": {"properties": {"c": text("a")}}}, "two"),
        ({"a": {"items": text()}}, "properties alone"),
        ({"a": {"items": {"properties": {"b": text()}}}}, "properties alone"),
        ({"a": {"anyOf": [{}, text()]}}, "properties alone"),
        ({"a": {"patternProperties": {".": text()}}}, "properties alone"),
    ],
)
def test_a_tool_whose_annotation_is_invalid_is_refused(properties: Any, why: str) -> None:
    invalid, headers = learnt(properties)
    assert why in invalid["t"]
    assert headers == {}


def test_no_annotation_may_be_at_the_top_or_in_a_definition() -> None:
    assert learnt({}, **text())[0]
    assert learnt({}, **{"$defs": {"a": text()}})[0]


def test_an_answer_without_tools_teaches_nothing() -> None:
    known = Mirrored()
    values: list[dict[str, Any]] = [{"error": {}}, {"result": []}, {"result": {"tools": {}}}]
    for value in values:
        known.learn(said(**value))
    known.learn(said(result={"tools": [{"name": "t", "inputSchema": []}]}))
    assert known.of(said(method="tools/call", params={"name": "t"})) == {}


def test_a_schema_of_any_shape_ends_nothing() -> None:
    deep: dict[str, Any] = text("Deep")
    for _ in range(40):
        deep = {"properties": {"a": deep}}
    properties = {"deep": deep, "plain": text("Plain")}
    assert learnt(properties, items=7, allOf=7, **{"$defs": [1]}) == ({}, {("plain",): "Plain"})
    assert learnt([]) == ({}, {})
