"""`gateway.bridge.messages`: what is a message, and its headers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.bridge.messages import (
    VERSION_KEY,
    NoMessage,
    answered_as,
    cancelled_key,
    failure,
    modern_headers,
    parsed,
    parsed_all,
)


def message(**value: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **value}).encode()


def test_each_kind_is_told() -> None:
    assert parsed(message(id=1, method="m")).kind == "request"
    assert parsed(message(id=None, method="m")).kind == "request"
    assert parsed(message(method="m")).kind == "notification"
    assert parsed(message(id=1, result={})).kind == "response"
    assert parsed(message(id=None, error={})).kind == "response"


def test_a_line_is_what_came_on_one_line() -> None:
    text = b' {"jsonrpc": "2.0",\r\n "method": "a\\nb\xe2\x80\xa8",\n "n": 1.50}\n'
    line = parsed(text).line
    assert line == b'{"jsonrpc": "2.0",   "method": "a\\nb\xe2\x80\xa8",  "n": 1.50}'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", -32700),
        (b"\xff", -32700),
        (b"[" * 100_000, -32700),
        (b'{"jsonrpc": "2.0", "id": NaN, "method": "m"}', -32700),
        (b"1", -32600),
        (message(id=1), -32600),
        (message(id={}, method="m"), -32600),
        (message(method=1), -32600),
        (b'{"id": 1, "method": "m"}', -32600),
    ],
)
def test_what_is_no_message(text: bytes, code: int) -> None:
    with pytest.raises(NoMessage) as caught:
        parsed(text)
    assert caught.value.code == code


def test_a_batch_is_several() -> None:
    batch = b"[" + message(method="a") + b"," + message(id=1, result={}) + b"]"
    assert [item.kind for item in parsed_all(batch)] == ["notification", "response"]
    with pytest.raises(NoMessage):
        parsed_all(b"[1]")
    with pytest.raises(NoMessage):
        parsed_all(b"[")


def test_a_number_isn_t_its_text() -> None:
    assert parsed(message(id=1, method="m")).key != parsed(message(id="1", method="m")).key
    cancel = parsed(message(method="notifications/cancelled", params={"requestId": "1"}))
    assert cancelled_key(cancel) == parsed(message(id="1", method="m")).key
    assert cancelled_key(parsed(message(method="other"))) is None


def test_an_answer_to_nobody_is_one_to_the_request() -> None:
    refused = parsed(message(id=None, error={"code": 1}))
    assert json.loads(answered_as(refused, "a")) == {
        "jsonrpc": "2.0",
        "id": "a",
        "error": {"code": 1},
    }
    assert answered_as(refused, None) == refused.line


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("find", "find"),
        ("a b", "a b"),
        (" edge", "=?base64?IGVkZ2U=?="),
        ("a\r\nX: y", "=?base64?YQ0KWDogeQ==?="),
        ("ä", "=?base64?w6Q=?="),
        ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ("", ""),
    ],
)
def test_a_name_in_a_header(name: str, header: str) -> None:
    params = {"uri": name, "_meta": {VERSION_KEY: "2026-07-28"}}
    request = parsed(message(id=1, method="resources/read", params=params))
    assert modern_headers(request, {})["Mcp-Name"] == header


def test_parameters_in_headers() -> None:
    arguments = {"a": {"b": True}, "n": 7, "s": "x", "none": None, "list": []}
    params = {"name": "t", "arguments": arguments, "_meta": {VERSION_KEY: "v\n"}}
    request = parsed(message(id=1, method="tools/call", params=params))
    paths = {("a", "b"): "B", ("n",): "N", ("s",): "S", ("none",): "Z", ("list",): "L"}
    headers = modern_headers(request, {**paths, ("s", "deep"): "D", ("gone",): "G"})
    mirrored = {key: text for key, text in headers.items() if key.startswith("Mcp-Param")}
    assert mirrored == {"Mcp-Param-B": "true", "Mcp-Param-N": "7", "Mcp-Param-S": "x"}
    assert headers["MCP-Protocol-Version"] == "=?base64?dgo=?="


def test_half_a_character_is_passed_on_as_json_spells_it() -> None:
    text = b'{"jsonrpc": "2.0", "id": "\\ud800", "result": "\\udfff"}'
    (one,) = parsed_all(b"[" + text + b"]")
    assert json.loads(one.line) == json.loads(text)
    assert json.loads(answered_as(one, 7)) == json.loads(text) | {"id": 7}
    assert json.loads(failure("\ud800", -1, "no"))["id"] == "\ud800"
    call = parsed(message(id=1, method="tools/call", params={"name": "\ud800"}))
    assert modern_headers(call, {})["Mcp-Name"] == "=?base64?7aCA?="
