"""`gateway.bridge.bridge`: both eras, sessions, streams that break, cancellations, and the end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from gateway.bridge.bridge import _Cursor
from gateway.bridge.event_stream import Event
from gateway.bridge.messages import VERSION_KEY
from tests.unit.gateway.bridge.conftest import answer, event, events, stage

META = {"_meta": {VERSION_KEY: "2026-07-28"}}


def handshake(value: Any) -> web.Response:
    result = {"protocolVersion": "2025-06-18", "capabilities": {}}
    return web.json_response(answer(value["id"], result), headers={"Mcp-Session-Id": "s1"})


async def legacy(request: web.Request) -> web.StreamResponse:
    """A server that only does the handshake, and answers everything else at once."""
    if request.method == "GET":
        return web.Response(status=405)
    if request.method == "DELETE":
        return web.Response()
    value = await request.json()
    if value["method"] == "initialize":
        return handshake(value)
    if "id" not in value:
        return web.Response(status=202)
    return web.json_response(answer(value["id"], {"said": value["method"]}))


async def test_a_session_is_begun_carried_and_ended() -> None:
    async with stage(legacy) as scene:
        scene.say(id=1, method="initialize", params={})
        assert (await scene.hear())["result"]["protocolVersion"] == "2025-06-18"
        scene.say(method="notifications/initialized")
        scene.say(id="1", method="tools/list")
        assert await scene.hear() == answer("1", {"said": "tools/list"})
    assert scene.methods()[:2] == ["POST initialize", "POST notifications/initialized"]
    assert sorted(scene.methods()[2:]) == ["DELETE", "GET", "POST tools/list"]
    assert scene.methods()[-1] == "DELETE"
    first, *others = [headers for _, headers, _ in scene.asked]
    assert "mcp-session-id" not in first
    assert "mcp-protocol-version" not in first
    for headers in others:
        assert headers["mcp-session-id"] == "s1"
        assert headers["mcp-protocol-version"] == "2025-06-18"
        assert headers["x-devwiz-gw-token"] == "t"


async def test_a_modern_request_has_its_headers() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        value = await request.json()
        if value["method"] == "tools/list":
            schema = {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
            tools = [{"name": "find", "inputSchema": schema}]
            return web.json_response(answer(value["id"], {"tools": tools}))
        return await events(request, event({"jsonrpc": "2.0", "method": "n"}), event(answer(2)))

    async with stage(handler) as scene:
        scene.say(id=1, method="tools/list", params=META)
        await scene.hear()
        params = {"name": "find", "arguments": {"region": "Zürich"}, **META}
        scene.say(id=2, method="tools/call", params=params)
        assert (await scene.hear())["method"] == "n"
        assert await scene.hear() == answer(2)
    (_, first, _), (_, headers, body) = scene.asked
    assert first["mcp-method"] == "tools/list"
    assert "mcp-name" not in first
    assert body["params"] == params
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert headers["mcp-method"] == "tools/call"
    assert headers["mcp-name"] == "find"
    assert headers["mcp-param-region"] == "=?base64?WsO8cmljaA==?="
    assert "mcp-session-id" not in headers


async def test_a_tool_with_an_invalid_header_is_kept_from_the_client() -> None:
    schemas = {"good": {"type": "string"}, "bad": {"type": "string", "x-mcp-header": "a b"}}
    tools = [
        {"name": name, "inputSchema": {"properties": {"a": schema}}}
        for name, schema in schemas.items()
    ]

    async def handler(request: web.Request) -> web.StreamResponse:
        value = await request.json()
        result = {"tools": [*tools, 7], "ttlMs": 1}
        return web.json_response(answer(value["id"], result))

    async with stage(handler) as scene:
        scene.say(id=1, method="tools/list", params=META)
        assert (await scene.hear())["result"] == {"tools": [tools[0], 7], "ttlMs": 1}
        # Before 2026-07-28 nobody makes headers of them.
        scene.say(id=2, method="tools/list")
        assert (await scene.hear())["result"]["tools"] == [*tools, 7]


async def test_a_modern_cancellation_closes_the_stream() -> None:
    closed = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        reply = await events(request, ": begun\n\n")
        try:
            await asyncio.sleep(60)
        finally:
            closed.set()
        return reply

    async with stage(handler) as scene:
        scene.say(id=7, method="tools/call", params={"name": "slow", **META})
        await scene.until(lambda: bool(scene.asked))
        scene.say(method="notifications/cancelled", params={"requestId": 7, **META})
        async with asyncio.timeout(20):
            await closed.wait()
        scene.say(method="notifications/roots/list_changed", params={})
        scene.lines.put_nowait(b"no JSON")
        assert (await scene.hear())["error"]["code"] == -32700
    assert scene.methods() == ["POST tools/call"]
    assert scene.heard.empty()


async def test_a_legacy_cancellation_is_sent() -> None:
    released = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        value = await request.json()
        if value["method"] != "tools/call":
            released.set()
            return web.Response(status=202)
        await released.wait()
        return await events(request, ": nothing more\n\n")

    async with stage(handler) as scene:
        scene.say(id=7, method="tools/call", params={"name": "slow"})
        await scene.until(lambda: bool(scene.asked))
        scene.say(method="notifications/cancelled", params={"requestId": 7})
        await scene.until(lambda: len(scene.asked) == 2)
        scene.say(id=8, method="tools/call")
        assert (await scene.hear())["id"] == 8
    assert scene.methods()[:2] == ["POST tools/call", "POST notifications/cancelled"]
    assert scene.heard.empty()


async def test_a_stream_is_taken_up_where_it_broke_off() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            progress = {"jsonrpc": "2.0", "method": "progress"}
            return await events(request, "retry: 1\n\n", event(progress, "a1"), cut=True)
        return await events(request, event(answer(3), "a2"))

    async with stage(handler) as scene:
        scene.say(id=3, method="tools/call")
        assert (await scene.hear())["method"] == "progress"
        assert await scene.hear() == answer(3)
    assert scene.methods() == ["POST tools/call", "GET"]
    assert scene.asked[1][1]["last-event-id"] == "a1"


@pytest.mark.parametrize("params", [META, {}], ids=["modern", "legacy"])
async def test_a_stream_that_can_not_be_taken_up_is_an_error(params: dict[str, Any]) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(status=404)
        name = "a1" if params else ""
        return await events(request, event({"jsonrpc": "2.0", "method": "p"}, name), cut=True)

    async with stage(handler) as scene:
        scene.say(id=3, method="tools/call", params=params)
        await scene.hear()
        failed = await scene.hear()
        assert (failed["id"], failed["error"]["code"]) == (3, -32000)
    assert scene.methods() == ["POST tools/call"]


async def test_a_session_that_the_server_forgot_is_begun_again() -> None:
    state = {"known": "s0"}

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(status=405)
        value = await request.json()
        if value["method"] == "initialize":
            state["known"] = f"s{int(state['known'][1:]) + 1}"
            result = answer(value["id"], {"protocolVersion": "2025-03-26"})
            return web.json_response(result, headers={"Mcp-Session-Id": state["known"]})
        if request.headers["Mcp-Session-Id"] != state["known"]:
            return web.Response(status=404)
        return web.json_response(answer(value.get("id")), status=200 if "id" in value else 202)

    async with stage(handler) as scene:
        scene.say(id=1, method="initialize", params={"clientInfo": {}})
        await scene.hear()
        scene.say(method="notifications/initialized")
        await scene.until(lambda: "GET" in scene.methods())
        state["known"] = "s5"
        scene.say(id=2, method="tools/list")
        scene.say(id=3, method="tools/list")
        assert {(await scene.hear())["id"], (await scene.hear())["id"]} == {2, 3}
    assert scene.methods().count("POST initialize") == 2
    assert scene.heard.empty()


async def test_a_new_session_may_be_answered_after_a_notification() -> None:
    state = {"known": "s0"}

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(status=405)
        value = await request.json()
        if value["method"] == "initialize":
            state["known"] = f"s{int(state['known'][1:]) + 1}"
            note = {"jsonrpc": "2.0", "method": "notifications/message"}
            result = answer(value["id"], {"protocolVersion": "2025-06-18"})
            session = {"Mcp-Session-Id": state["known"]}
            return await events(request, event(note), event(result), headers=session)
        if request.headers["Mcp-Session-Id"] != state["known"]:
            return web.Response(status=404)
        return web.json_response(answer(value.get("id")), status=200 if "id" in value else 202)

    async with stage(handler) as scene:
        scene.say(id=1, method="initialize")
        assert "method" in await scene.hear()
        await scene.hear()
        state["known"] = "s5"
        scene.say(id=2, method="tools/list")
        assert (await scene.hear())["id"] == 2
    last = [headers for what, headers, _ in scene.asked if what == "POST tools/list"][-1]
    assert (last["mcp-session-id"], last["mcp-protocol-version"]) == ("s6", "2025-06-18")


async def test_a_batch_is_taken_apart_in_the_revision_that_has_them() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and (value := await request.json())["method"] == "initialize":
            return web.json_response(answer(value["id"], {"protocolVersion": state["version"]}))
        return await legacy(request)

    batch = [
        {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"},
        {"jsonrpc": "2.0", "id": "a", "method": "ping"},
        {"jsonrpc": "2.0", "id": "b", "method": "tools/list"},
    ]
    state = {"version": "2025-03-26"}
    async with stage(handler) as scene:
        scene.say(id=1, method="initialize")
        await scene.hear()
        scene.lines.put_nowait(json.dumps(batch).encode())
        answers = [await scene.hear(), await scene.hear()]
        scene.lines.put_nowait(b"[]")
        assert (await scene.hear())["error"]["code"] == -32600
        state["version"] = "2025-06-18"
        scene.say(id=2, method="initialize")
        await scene.hear()
        scene.lines.put_nowait(json.dumps(batch).encode())
        assert (await scene.hear())["error"]["code"] == -32600
    assert {found["id"]: found["result"]["said"] for found in answers} == {
        "a": "ping",
        "b": "tools/list",
    }


def test_what_a_server_says_of_waiting_is_never_cut_short() -> None:
    cursor = _Cursor()
    assert [cursor.wait_s(attempt) for attempt in (0, 1, 5)] == [1, 2, 30]
    cursor.note(Event(kind="message", data=b"", id="1", retry_ms=120_000))
    assert [cursor.wait_s(attempt) for attempt in (0, 3)] == [120, 120]
    cursor.note(Event(kind="message", data=b"", id="2", retry_ms=0))
    assert cursor.wait_s(5) == 0


async def test_what_the_server_says_by_itself_arrives_and_is_answered() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            return await legacy(request)
        if request.headers.get("Last-Event-ID"):
            return web.Response(status=405)
        ask = {"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage"}
        return await events(request, "retry: 1\n\n", event(ask, "g1"))

    async with stage(handler) as scene:
        scene.say(id=1, method="initialize")
        await scene.hear()
        scene.say(method="notifications/initialized")
        assert (await scene.hear())["method"] == "sampling/createMessage"
        scene.say(id="q", result={"role": "user"})
        await scene.until(lambda: scene.methods().count("GET") == 2)
        await scene.until(lambda: "POST response" in scene.methods())
    again = [headers for what, headers, _ in scene.asked if what == "GET"][1]
    assert again["last-event-id"] == "g1"


async def test_the_transport_of_2024_11_05() -> None:
    answers: asyncio.Queue[Any] = asyncio.Queue()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            reply = await events(request, "event: endpoint\ndata: /message?s=1\n\n")
            while (value := await answers.get()) is not None:
                await reply.write(event(value).encode())
            return reply
        if request.path == "/mcp":
            return web.Response(status=405, text="no")
        assert request.path_qs == "/message?s=1"
        value = await request.json()
        if value["method"] == "die":
            answers.put_nowait(None)
        elif "id" in value:
            answers.put_nowait(answer(value["id"], {"said": value["method"]}))
        return web.Response(status=202)

    async with stage(handler) as scene:
        scene.say(id=1, method="initialize")
        assert await scene.hear() == answer(1, {"said": "initialize"})
        scene.say(method="notifications/initialized")
        scene.say(id=2, method="tools/list")
        assert await scene.hear() == answer(2, {"said": "tools/list"})
        scene.say(id=3, method="die")
        assert (await scene.hear())["error"]["code"] == -32000
    assert scene.methods().count("GET") == 1


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (
            400,
            {"jsonrpc": "2.0", "id": None, "error": {"code": -32020, "message": "m"}},
            -32020,
            "m",
        ),
        (502, {"title": "no upstream", "detail": "see"}, -32000, "502: no upstream; see"),
        (500, ["x"], -32000, "refused with status 500"),
        (500, "[" * 10_000, -32000, "refused with status 500"),
        (200, {"no": "message"}, -32600, "answered something else"),
        (202, None, -32000, "no message"),
        (307, None, -32000, "status 307"),
    ],
)
async def test_what_is_no_answer_becomes_an_error(
    status: int, body: Any, code: int, message: str
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if body is None:
            return web.Response(status=status)
        if isinstance(body, str):
            return web.Response(text=body, content_type="application/problem+json", status=status)
        return web.json_response(body, status=status)

    async with stage(handler) as scene:
        scene.say(id=1, method="ping")
        failed = await scene.hear()
        assert (failed["id"], failed["error"]["code"]) == (1, code)
        assert message in failed["error"]["message"]


async def test_redirections_stay_at_the_origin() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/mcp":
            value = await request.json()
            to = "/mcp/" if value["id"] == 1 else "http://127.0.0.1:1/mcp"
            return web.Response(status=307, headers={"Location": to})
        return web.json_response(answer((await request.json())["id"]))

    async with stage(handler) as scene:
        scene.say(id=1, method="ping")
        assert await scene.hear() == answer(1)
        scene.say(id=2, method="ping")
        assert "another server" in (await scene.hear())["error"]["message"]


async def test_lines_that_are_no_messages() -> None:
    async with stage(legacy) as scene:
        wrong = {
            b"{": -32700,
            b"[]": -32600,
            b'{"jsonrpc": "2.0"}': -32600,
            b'{"jsonrpc": "2.0", "id": true, "method": "x"}': -32600,
            b"\xff": -32700,
        }
        for line, code in wrong.items():
            scene.lines.put_nowait(line)
            failed = await scene.hear()
            assert (failed["id"], failed["error"]["code"]) == (None, code)
        scene.lines.put_nowait(b"  ")
        scene.lines.put_nowait(None)
        assert "bytes" in (await scene.hear())["error"]["message"]
    assert scene.asked == []


async def test_two_requests_of_one_id() -> None:
    release = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.json_response(answer((await request.json())["id"]))

    async with stage(handler) as scene:
        scene.say(id=1, method="a")
        scene.say(id=1, method="b")
        assert (await scene.hear())["error"]["code"] == -32600
        release.set()
        assert await scene.hear() == answer(1)


async def test_the_end_of_the_input_cuts_what_is_open() -> None:
    closed = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            await asyncio.sleep(60)
        finally:
            closed.set()
        return web.Response()

    async with stage(handler) as scene:
        scene.say(id=1, method="slow", params=json.loads(json.dumps(META)))
        await scene.until(lambda: bool(scene.asked))
    async with asyncio.timeout(20):
        await closed.wait()
    assert scene.heard.empty()
