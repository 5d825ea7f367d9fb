"""`gateway.data_plane.mcp_peek`: right for what clients send, and harmless for anything else."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.data_plane.mcp_peek import PEEKED_BYTES, peeked, shown_name

PARAMS = {"arguments": {"name": "inner", "q": ['{"', "}"]}, "name": "sum", "_meta": {"name": "m"}}
CALL = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": PARAMS}


def call(**changes: Any) -> bytes:
    return json.dumps(CALL | changes).encode()


@pytest.mark.parametrize(
    "body",
    [
        call(),
        json.dumps(CALL, separators=(",", ":")).encode(),
        json.dumps(CALL, indent=2).encode(),
        json.dumps(CALL, sort_keys=True).encode(),
        json.dumps(dict(reversed(CALL.items()))).encode(),
        json.dumps({"result": {"method": "x"}, **CALL}).encode(),
        b"\r\n \t" + call(),
        b"[" + call() + b", {}]",
        b"1a4\r\n" + call() + b"\r\n0\r\n\r\n",
    ],
)
def test_a_tool_call_is_named_whatever_the_order_of_its_members(body: bytes) -> None:
    assert peeked(body) == (b"tools/call", b"sum")


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("initialize", ""),
        ("tools/list", ""),
        ("resources/read", ""),
        ("notifications/tools/list_changed", ""),
        ("prompts/get", "sum"),
        ("server/discover", ""),
        ("subscriptions/listen", ""),
    ],
)
def test_a_name_is_told_where_it_is_that_of_a_tool_or_prompt(method: str, name: str) -> None:
    assert peeked(call(method=method)) == (method.encode(), name.encode())


@pytest.mark.parametrize(
    "method", ["password", "a/b", "tools/", "tools/call\\u0020", "", "tools/0"]
)
def test_what_is_no_method_of_mcp_is_not_shown(method: str) -> None:
    assert peeked(call(method=method)) == (b"", b"")


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "caf\u00e9", "x" * 129, "", 7, None, {}])
def test_a_name_that_would_need_quoting_is_not_shown(name: object) -> None:
    assert peeked(call(params={"name": name})) == (b"tools/call", b"")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"x" * 40 + call(),
        b'{"params":{"method":"tools/call","name":"sum"}}',
        b'{"method":["tools/call"]}',
        b'{"method":{"method":"tools/call"}}',
        b'{"a":"\\"method\\":\\"tools/call\\""}',
        b'{"method:"tools/call"}',
        b"}" * 100 + call(),
    ],
)
def test_only_the_top_level_of_an_object_counts(body: bytes) -> None:
    assert peeked(body) == (b"", b"")


def test_a_string_that_is_cut_is_no_structure() -> None:
    inside = b'","method":"tools/call","x":"'
    assert peeked(b'{"a":"' + inside.replace(b'"', b'\\"') * 200) == (b"", b"")


def test_what_comes_late_is_not_looked_for() -> None:
    late = json.dumps({"padding": "x" * PEEKED_BYTES, **CALL}).encode()
    assert peeked(late) == (b"", b"")
    deep = b'{"a":' + b"[" * 600 + b"]" * 600 + b"," + call()[1:]
    assert peeked(deep) == (b"", b"")
    long = json.dumps(dict(CALL, params={"name": "sum", "arguments": "x" * 10_000})).encode()
    assert peeked(long) == (b"tools/call", b"sum")


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda data: b"{" + data))
def test_anything_may_be_peeked_at(data: bytes) -> None:
    for shown in peeked(data):
        assert json.loads(b'"%b"' % shown) == shown.decode()


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=20,
    ),
    before=st.booleans(),
)
def test_other_members_make_no_difference(value: Any, *, before: bool) -> None:
    other, plain = {"other": value}, {"method": "tools/call", "params": {"name": "sum"}}
    body = json.dumps(other | plain if before else plain | other, ensure_ascii=False)
    assert peeked(body.encode()[:PEEKED_BYTES]) == (b"tools/call", b"sum")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"sum", "sum"),
        (b"file:///a?token=hush", "file:///a"),
        (b"=?base64?" + base64.b64encode("café".encode()) + b"?=", "café"),
        (b"=?base64?" + base64.b64encode(b"file:///a?token=hush") + b"?=", "file:///a"),
        (b"=?base64?a?=", ""),
        (b"=?base64?/w==?=", "\ufffd"),
        (b"https://me:hunter2@host/a?b", "https://host/a"),
        (b"https://me:hun@ter2@host", "https://host"),
        (b"https://host/a@b", "https://host/a@b"),
        (b"=?base64?aHR0cHM6Ly9tZTpodW50ZXIyQGhvc3Qv?=", "https://host/"),
    ],
)
def test_the_header_is_shown_decoded_and_without_a_query(value: bytes, shown: str) -> None:
    assert shown_name(value) == shown
