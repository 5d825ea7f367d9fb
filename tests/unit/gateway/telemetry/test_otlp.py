from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import aiohttp
import pytest

from gateway.telemetry.otlp import Accepted, Refused, meaning, post
from tests.fakes.stack import free_port

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def partial(**values: object) -> bytes:
    return json.dumps({"partialSuccess": values}).encode()


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        (b"", Accepted()),
        (b"{}", Accepted()),
        (partial(), Accepted()),
        (partial(rejectedSpans="3", errorMessage="too old"), Accepted(3, "too old")),
        (partial(rejectedSpans=3), Accepted(3)),
        (partial(rejectedSpans=-3), Accepted()),
        (partial(errorMessage="only a warning"), Accepted(0, "only a warning")),
        (b"not json", Accepted()),
        (b"[]", Accepted()),
        (b'{"partialSuccess": null}', Accepted()),
        (b"\xff\xfe", Accepted()),
        (b'{"partialSuccess": {"rejectedSpans": 1e999}}', Accepted()),
        (b'{"partialSuccess":' * 10_000, Accepted()),
        (partial(rejectedSpans=1, errorMessage="x" * 1000), Accepted(1, "x" * 200)),
    ],
)
def test_success_may_be_partial(body: bytes, accepted: Accepted) -> None:
    assert meaning(200, {}, body, now=NOW) == accepted


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_tried_again(status: int) -> None:
    outcome = meaning(status, {}, b"", now=NOW)
    assert outcome == Refused(f"the collector answered {status}", retryable=True)


@pytest.mark.parametrize("status", [204, 301, 400, 401, 404, 408, 413, 500, 501])
def test_what_may_not(status: int) -> None:
    outcome = meaning(status, {"Retry-After": "1"}, b"", now=NOW)
    assert outcome == Refused(f"the collector answered {status}", retryable=False)


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1e9", None),
        ("9999999999999999999", None),
        ("Sun, 01 Mar 2026 12:00:30 -0000", None),
    ],
)
def test_a_collector_may_say_when(text: str, wait_s: float | None) -> None:
    outcome = meaning(503, {"Retry-After": text}, b"", now=NOW)
    assert isinstance(outcome, Refused)
    assert outcome.retry_after_s == wait_s


async def test_a_collector_that_is_not_there() -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{free_port()}/v1/traces"
        outcome = await post(session, url, {"Authorization": "Bearer hush"}, b"{}")
    assert isinstance(outcome, Refused)
    assert outcome.retryable
    assert outcome.why.startswith("the collector can't be reached: ")
    assert "hush" not in outcome.why


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x16\x03\x01" + bytes(100),
    ],
)
async def test_what_is_no_collector_is_survived(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/traces"
        outcome = await post(session, url, {}, b"{}")
    assert isinstance(outcome, Refused)
    assert outcome.retryable
