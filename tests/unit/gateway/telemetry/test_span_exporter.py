"""`gateway.telemetry.span_exporter` against a strict collector; its pauses are only noted."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from cryptography.x509 import GeneralName

from gateway.telemetry import span_exporter
from gateway.telemetry.span_exporter import SpanExporter
from gateway.telemetry.spans import Destination, Value
from tests.fakes.certificates import dns
from tests.fakes.otlp_collector import OK, OtlpCollector, Reply
from tests.fakes.stack import free_port
from tests.unit.gateway.telemetry.test_spans import AWAY, LINE
from tests.unit.identity.test_web_tls import server

RESOURCE: dict[str, Value] = {"service.name": "devwiz-gw", "service.version": "1.2.3"}
TARGETS = {"planner": AWAY}


def lines(count: int = 1, **more: object) -> bytes:
    return (json.dumps(LINE | more).encode() + b"\n") * count


def busy(status: int = 503, **headers: str) -> Reply:
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, b""


class Pauses:
    """Takes the place of waiting: notes how long it would have been, and after `free` pauses waits
    until it may go on.
    """

    def __init__(self, *, free: int = 1000) -> None:
        self.taken: list[float] = []
        self.go_on = asyncio.Event()
        self._free = free

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)
        if len(self.taken) > self._free:
            await self.go_on.wait()

    @property
    def between_attempts(self) -> list[float]:
        return [seconds for seconds in self.taken if seconds != span_exporter.EVERY_S]


@asynccontextmanager
async def running(
    destination: Destination | None, pause: Callable[[float], Awaitable[None]]
) -> AsyncIterator[SpanExporter]:
    exporter = SpanExporter(RESOURCE, rng=random.Random(1), pause=pause)
    exporter.configure(destination)
    task = asyncio.create_task(exporter.run())
    try:
        yield exporter
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def towards(collector: OtlpCollector, **more: object) -> Destination:
    known = {"endpoint": collector.endpoint, "targets": TARGETS}
    return Destination(**known | more)  # type: ignore[arg-type]


async def test_spans_are_sent_with_the_headers_of_the_configuration() -> None:
    async with OtlpCollector() as collector:
        headers = (("Authorization", "Bearer t0ken"), ("X-Tenant", "acme"))
        async with running(towards(collector, headers=headers), Pauses()) as exporter:
            exporter.offer(lines(3))
            await until(lambda: exporter.counts["sent"] == 3)
        assert exporter.counts == {"sent": 3, "rejected": 0, "dropped": 0}
        (request,) = collector.requests
        assert (request["Authorization"], request["X-Tenant"]) == ("Bearer t0ken", "acme")
        assert collector.resource["service.version"] == "1.2.3"


@pytest.mark.parametrize(
    ("names", "became"), [((dns("localhost"),), "sent"), ((), "dropped")], ids=["name", "common"]
)
async def test_a_collector_is_known_by_a_name_of_its_certificate_never_by_the_common_name(
    names: tuple[GeneralName, ...],
    became: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context, pem = server("localhost", *names)
    (tmp_path / "ca.pem").write_text(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with OtlpCollector(tls=context) as collector:
        async with running(towards(collector), Pauses()) as exporter:
            exporter.offer(lines(1))
            await until(lambda: exporter.counts[became] == 1)
        assert len(collector.spans) == (became == "sent")


async def test_what_gathers_meanwhile_is_sent_in_one_request() -> None:
    pauses = Pauses(free=0)
    async with OtlpCollector() as collector:
        async with running(towards(collector), pauses) as exporter:
            for _ in range(10):
                exporter.offer(lines(20))
            await until(lambda: bool(pauses.taken))
            assert collector.requests == []
            pauses.go_on.set()
            await until(lambda: exporter.counts["sent"] == 200)
        assert len(collector.requests) == 1


async def test_a_crowd_is_sent_in_parts() -> None:
    async with OtlpCollector() as collector:
        async with running(towards(collector), Pauses()) as exporter:
            for _ in range(15):
                exporter.offer(lines(100))
            await until(lambda: exporter.counts["sent"] == 1500)
        assert len(collector.requests) == 3


async def test_without_a_destination_nothing_is_kept() -> None:
    async with OtlpCollector() as collector:
        async with running(None, Pauses()) as exporter:
            exporter.offer(lines(5))
            exporter.configure(towards(collector))
            exporter.offer(lines(1))
            await until(lambda: exporter.counts["sent"] == 1)
        assert exporter.counts == {"sent": 1, "rejected": 0, "dropped": 0}


async def test_too_much_is_dropped_and_counted_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exporter = SpanExporter(RESOURCE, rng=random.Random(1))
    exporter.configure(Destination(endpoint="http://127.0.0.1:1"))
    for _ in range(span_exporter.MOST_WAITING // 64):
        exporter.offer(lines(64))
    assert exporter.counts["dropped"] == 0
    for _ in range(3):
        exporter.offer(lines(64))
    assert exporter.counts["dropped"] == 192
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_long_lines_are_bounded_too() -> None:
    exporter = SpanExporter(RESOURCE, rng=random.Random(1))
    exporter.configure(Destination(endpoint="http://127.0.0.1:1"))
    half = lines(path="/" + "x" * (span_exporter.MOST_BYTES // 2 - 1000))
    for _ in range(3):
        exporter.offer(half)
    assert exporter.counts["dropped"] == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_collector_is_asked_again(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pauses = Pauses()
    async with OtlpCollector(busy(status), busy(status), OK) as collector:
        async with running(towards(collector), pauses) as exporter:
            exporter.offer(lines(2))
            await until(lambda: exporter.counts["sent"] == 2)
        assert exporter.counts == {"sent": 2, "rejected": 0, "dropped": 0}
    first, second = pauses.between_attempts
    assert 0.5 <= first <= 1 <= second <= 2
    assert caplog.messages == [
        f"spans can't be sent: the collector answered {status}",
        "spans are sent again",
    ]


async def test_it_waits_as_long_as_the_collector_asks() -> None:
    pauses = Pauses()
    replies = (busy(Retry_After="17"), busy(Retry_After="100000"), OK)
    async with (
        OtlpCollector(*replies) as collector,
        running(towards(collector), pauses) as exporter,
    ):
        exporter.offer(lines())
        await until(lambda: exporter.counts["sent"] == 1)
    assert pauses.between_attempts == [17.0, span_exporter.LONGEST_ASKED_S]


async def test_there_is_an_end_to_attempts() -> None:
    pauses = Pauses()
    replies = [busy()] * span_exporter.MOST_ATTEMPTS
    async with (
        OtlpCollector(*replies, OK) as collector,
        running(towards(collector), pauses) as exporter,
    ):
        exporter.offer(lines(2))
        await until(lambda: exporter.counts["dropped"] == 2)
        exporter.offer(lines(3))
        await until(lambda: exporter.counts["sent"] == 3)
    assert len(pauses.between_attempts) == span_exporter.MOST_ATTEMPTS - 1
    assert max(pauses.between_attempts) <= span_exporter.LONGEST_BACKOFF_S


async def test_what_the_collector_does_not_like_is_not_repeated() -> None:
    async with OtlpCollector(busy(400), OK) as collector:
        async with running(towards(collector), Pauses()) as exporter:
            exporter.offer(lines(2))
            await until(lambda: exporter.counts["rejected"] == 2)
            exporter.offer(lines(1))
            await until(lambda: exporter.counts["sent"] == 1)
        assert len(collector.requests) == 2
        assert exporter.counts == {"sent": 1, "rejected": 2, "dropped": 0}


async def test_a_part_may_be_rejected(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    told = {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}
    partly: Reply = (200, {"Content-Type": "application/json"}, json.dumps(told).encode())
    async with OtlpCollector(partly) as collector:
        async with running(towards(collector), Pauses()) as exporter:
            exporter.offer(lines(5))
            await until(lambda: exporter.counts["sent"] == 3)
        assert exporter.counts["rejected"] == 2
    assert caplog.messages == ["spans can't be sent: the collector rejected spans: too old"]


async def test_a_collector_that_comes_late_gets_what_waited() -> None:
    pauses = Pauses(free=0)
    nobody = Destination(endpoint=f"http://127.0.0.1:{free_port()}", targets=TARGETS)
    async with running(nobody, pauses) as exporter:
        exporter.offer(lines(2))
        await until(lambda: bool(pauses.taken))
        async with OtlpCollector() as collector:
            exporter.configure(towards(collector))
            pauses.go_on.set()
            await until(lambda: exporter.counts["sent"] == 2)


async def test_it_waits_for_a_missing_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with OtlpCollector() as collector:
        missing = towards(collector, unavailable="the secret otlp-token is not set")
        async with running(missing, Pauses()) as exporter:
            exporter.offer(lines(2))
            for _ in range(10):
                await asyncio.sleep(0)
            assert collector.requests == []
            exporter.configure(towards(collector))
            await until(lambda: exporter.counts["sent"] == 2)
    assert caplog.messages == [
        "spans can't be sent: the secret otlp-token is not set",
        "spans are sent again",
    ]


async def test_a_destination_that_is_taken_away_ends_it() -> None:
    pauses = Pauses(free=1)
    async with (
        OtlpCollector(busy(), OK) as collector,
        running(towards(collector), pauses) as exporter,
    ):
        exporter.offer(lines(2))
        await until(lambda: len(pauses.between_attempts) == 1)
        exporter.configure(None)
        exporter.configure(towards(collector))
        exporter.offer(lines(1))
        pauses.go_on.set()
        await until(lambda: exporter.counts["sent"] >= 1)
    assert len(collector.spans) == 1


async def test_what_waits_for_another_attempt_is_sent_at_the_end() -> None:
    pauses = Pauses(free=1)
    async with OtlpCollector(busy(), OK) as collector:
        async with running(towards(collector), pauses) as exporter:
            exporter.offer(lines(2))
            await until(lambda: len(pauses.between_attempts) == 1)
        await exporter.finish(5.0)
        assert len(collector.spans) == 2
        assert exporter.counts == {"sent": 2, "rejected": 0, "dropped": 0}


async def test_what_is_left_is_sent_at_the_end() -> None:
    async with OtlpCollector() as collector:
        exporter = SpanExporter(RESOURCE, rng=random.Random(1))
        exporter.configure(towards(collector))
        exporter.offer(lines(600))
        exporter.offer(lines(4))
        await exporter.finish(5.0)
        assert len(collector.spans) == 604
        await exporter.finish(5.0)
        assert len(collector.requests) == 2


async def test_the_end_does_not_wait_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        exporter = SpanExporter(RESOURCE, rng=random.Random(1))
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        exporter.configure(Destination(endpoint=endpoint, targets=TARGETS))
        exporter.offer(lines(600))
        exporter.offer(lines(4))
        await exporter.finish(0.2)  # it may not even come to an attempt
    assert exporter.counts == {"sent": 0, "rejected": 0, "dropped": 604}


async def test_an_end_that_is_over_at_once_still_counts() -> None:
    exporter = SpanExporter(RESOURCE, rng=random.Random(1))
    exporter.configure(Destination(endpoint="http://127.0.0.1:1", targets=TARGETS))
    exporter.offer(lines(600))
    await exporter.finish(0.0)
    assert exporter.counts == {"sent": 0, "rejected": 0, "dropped": 600}
