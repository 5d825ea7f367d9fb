"""`gateway.control_plane.forwarding.langsmith`, `otlp_logs` and `http_post`."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway.control_plane.forwarding import http_post
from gateway.control_plane.forwarding.http_post import Poster, meaning
from gateway.control_plane.forwarding.langsmith import LangSmithRuns
from gateway.control_plane.forwarding.otlp_logs import OtlpLogs, partial_success
from gateway.control_plane.forwarding.record import (
    Away,
    Destination,
    Record,
    Rejected,
    Taken,
    with_hashed_names,
)
from gateway.control_plane.snapshots import Attached
from tests.fakes.http_thread import Reply
from tests.fakes.langsmith_server import PERSONAL, LangSmithServer
from tests.fakes.otlp_collector import OtlpCollector, plain
from tests.unit.gateway.control_plane.forwarding.conftest import Records

KEY = Attached(headers=(("x-api-key", PERSONAL),))


@pytest.fixture
def langsmith() -> Iterator[LangSmithServer]:
    with LangSmithServer() as server:
        yield server


@asynccontextmanager
async def runs_to(url: str, attached: Attached = KEY) -> AsyncIterator[LangSmithRuns]:
    poster = Poster(f"{url}/runs/batch", attached=lambda: attached, version="1.2", ca_file=None)
    destination = LangSmithRuns(poster, session="audit")
    try:
        yield destination
    finally:
        await destination.close()


@asynccontextmanager
async def logs_to(endpoint: str, ca_file: Path | None = None) -> AsyncIterator[Destination]:
    poster = Poster(f"{endpoint}/v1/logs", attached=Attached, version="1.2", ca_file=ca_file)
    destination = OtlpLogs(poster, version="1.2", project="acme")
    try:
        yield destination
    finally:
        await destination.close()


async def test_runs_arrive_in_a_project(langsmith: LangSmithServer, records: Records) -> None:
    made = await records("a", "b", "c", outcome="denied")
    async with runs_to(langsmith.url) as destination:
        assert await destination.send(made) == Taken()
    runs = list(langsmith.runs.values())
    assert [run["extra"]["metadata"]["seq"] for run in runs] == [1, 2, 3]
    assert {run["session_name"] for run in runs} == {"audit"}
    assert runs[0]["error"] == "planner"
    assert json.loads(runs[0]["extra"]["metadata"]["line"])["name"] == "a"


async def test_a_run_that_is_there_counts_as_taken(
    langsmith: LangSmithServer, records: Records
) -> None:
    made = await records("a", "b")
    async with runs_to(langsmith.url) as destination:
        assert await destination.send(made[:1]) == Taken()
        # Of both it isn't known which is there, so that they are sent one by one.
        assert await destination.send(made) == Rejected("the server answered 409", has_one=True)
        assert [await destination.send([item]) for item in made] == [Taken(), Taken()]
    assert len(langsmith.runs) == 2


async def test_a_key_that_is_not_known_is_no_fault_of_the_records(
    langsmith: LangSmithServer, records: Records
) -> None:
    made = await records("a")
    async with runs_to(langsmith.url, Attached()) as destination:
        assert await destination.send(made) == Away("the server answered 401")
    async with runs_to(langsmith.url, Attached(unavailable="not read yet")) as destination:
        assert await destination.send(made) == Away("not read yet", is_here=True)


async def test_retry_after_is_understood(langsmith: LangSmithServer, records: Records) -> None:
    langsmith.replies = [Reply(status=429, headers={"Retry-After": "17"}), Reply(status=503)]
    made = await records("a")
    async with runs_to(langsmith.url) as destination:
        assert await destination.send(made) == Away("the server answered 429", 17.0)
        assert await destination.send(made) == Away("the server answered 503")
        assert await destination.send(made) == Taken()


async def test_nobody_there() -> None:
    async with logs_to("http://127.0.0.1:1") as destination:
        verdict = await destination.send([])
    assert isinstance(verdict, Away)
    assert verdict.why.startswith("the server can't be reached: ")


@pytest.mark.parametrize("how", ["cut", "garbage"])
async def test_a_server_that_breaks_off(how: str, records: Records) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if how == "garbage":
            writer.write(b"\0\1\2\r\n\r\n")
            await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with logs_to(f"http://127.0.0.1:{port}") as destination:
            assert isinstance(await destination.send(await records("a")), Away)


async def test_a_server_that_says_nothing(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_post, "TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with logs_to(f"http://127.0.0.1:{port}") as destination:
            verdict = await destination.send(await records("a"))
    assert verdict == Away("the server didn't answer in time")


async def test_half_a_surrogate_pair_is_no_reason_to_be_refused(records: Records) -> None:
    (made,) = await records("a")
    odd = Record(made.seq, made.digest, made.text, {**made.fields, "name": "x\ud800"})
    async with OtlpCollector() as collector:
        async with logs_to(collector.endpoint) as destination:
            assert await destination.send([odd]) == Taken()
            assert await destination.send([with_hashed_names(odd, b"k")]) == Taken()
        names = [plain(log.attributes)["audit.name"] for log in collector.logs]
    assert names[0] == "x\\ud800"
    assert names[1].startswith("hmac-sha256:")


async def test_authorities_that_are_not_there(tmp_path: Path, records: Records) -> None:
    async with logs_to("https://127.0.0.1:1", tmp_path / "none.pem") as destination:
        verdict = await destination.send(await records("a"))
    assert verdict == Away("the server can't be reached: no such file or directory")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Taken),
        (202, Taken),
        (204, Taken),
        (302, Away),
        (400, Rejected),
        (401, Away),
        (403, Away),
        (404, Away),
        (408, Away),
        (409, Rejected),
        (413, Rejected),
        (422, Rejected),
        (429, Away),
        (500, Away),
        (503, Away),
    ],
)
def test_what_a_status_means(status: int, kind: type) -> None:
    assert isinstance(meaning(status, None), kind)


async def test_log_records_are_as_the_protocol_has_them(records: Records) -> None:
    made = [*await records("a"), *await records("b", outcome="denied")]
    async with OtlpCollector() as collector:
        async with logs_to(collector.endpoint) as destination:
            assert await destination.send(made) == Taken()
        ok, denied = collector.logs
    assert (ok.severity_text, denied.severity_text) == ("INFO", "WARN")
    assert ok.body.string_value == made[0].text
    assert ok.event_name == "devwiz_gw.audit.secret.use"
    known = plain(ok.attributes)
    assert known["log.record.uid"] == made[0].digest
    assert (known["audit.seq"], known["audit.name"], known["audit.outcome"]) == (1, "a", "ok")
    assert collector.resource["service.namespace"] == "acme"
    assert ok.time_unix_nano == round(made[0].at.timestamp() * 1000) * 10**6


def test_what_a_collector_says_of_some() -> None:
    told = {"partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "too old"}}
    assert partial_success(json.dumps(told).encode()) == Taken(3, "too old")
    endless, huge = b'{"":' * 10_000, b'{"partialSuccess": {"rejectedLogRecords": 1e999}}'
    for body in (b"", b"{}", b"[]", b"x", b'{"partialSuccess": null}', endless, huge):
        assert partial_success(body) == Taken()
