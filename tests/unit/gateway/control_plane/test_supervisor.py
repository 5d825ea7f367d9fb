from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.audit.journal import Journal
from gateway.config.audit_model import AuditConfig
from gateway.config.model import Config, FilesSourceConfig, LogConfig, TcpAddress, UnixAddress
from gateway.control_plane import resolver
from gateway.control_plane.resolver import Lookup, look_up
from gateway.control_plane.supervisor import Parts, Supervisor
from gateway.data_plane.failure import explanation
from gateway.errors import ConfigInvalid, ConfigProblem, StartFailed
from gateway.ipc import events
from gateway.telemetry.logs import LogSink, Redactor
from gateway.telemetry.span_exporter import SpanExporter
from tests.fakes import configs, worker
from tests.fakes.authority import Authority
from tests.fakes.desks import memory_desk
from tests.fakes.feeds import FakeFeeds, generation


class Gateway:
    def __init__(
        self,
        folder: Path,
        config: Config,
        feeds: FakeFeeds,
        mode: str,
        *,
        lookup: Lookup = look_up,
    ) -> None:
        self.config = config
        self.feeds = feeds
        self.folder = folder
        self.on_disk: Config | ConfigInvalid = config
        self.announced: list[str] = []
        self.end: asyncio.Future[int] = asyncio.Future()
        self._up = asyncio.Event()
        self.sink = LogSink(folder / "gw.log")
        self.journal = Journal(folder / "audit.jsonl", project="acme")
        self.supervisor = Supervisor(
            config,
            Parts(
                version="1.2.3",
                feeds=feeds.feeds,
                load=self._load,
                journal=self.journal,
                sink=self.sink,
                redactor=Redactor(),
                announce=self._announce,
                meaning=explanation,
                exporter=SpanExporter({}, rng=random.Random(1)),
                open_desk=memory_desk,
                worker_command=worker.command(mode),
                lookup=lookup,
            ),
        )

    def _load(self) -> Config:
        if isinstance(self.on_disk, ConfigInvalid):
            raise self.on_disk
        return self.on_disk

    def _announce(self, text: str) -> None:
        self.announced.append(text)
        self._up.set()

    async def until_up(self) -> None:
        async with asyncio.timeout(30):
            await self._up.wait()

    async def ask(self, method: str, path: str) -> tuple[int, Any]:
        connector = aiohttp.UnixConnector(path=str(self.config.admin.socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://gw{path}") as reply,
        ):
            text = await reply.text()
            return reply.status, json.loads(text) if "json" in reply.content_type else text

    async def status(self) -> dict[str, Any]:
        code, body = await self.ask("GET", "/status")
        assert code == 200
        assert isinstance(body, dict)
        return body

    async def until(self, check: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                body = await self.status()
                if check(body):
                    return body
                await asyncio.sleep(0.02)

    async def until_ready(self) -> dict[str, Any]:
        return await self.until(lambda body: body["state"] == "ready")

    def audit(self) -> list[dict[str, Any]]:
        lines = (self.folder / "audit.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


async def served_by(address: str) -> int:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(30):
        reply = await reader.read()
    writer.close()
    return int(reply.rpartition(b"\r\n\r\n")[2])


@asynccontextmanager
async def running(
    folder: Path,
    config: Config | None = None,
    *,
    feeds: FakeFeeds | None = None,
    mode: str = "",
    lookup: Lookup = look_up,
) -> AsyncIterator[Gateway]:
    feeds = feeds or FakeFeeds(first=generation())
    gateway = Gateway(folder, config or configs.config(folder), feeds, mode, lookup=lookup)
    gateway.end = asyncio.create_task(gateway.supervisor.run())
    try:
        await gateway.until_up()
        yield gateway
    finally:
        if not gateway.end.done():
            gateway.supervisor.drain()
        async with asyncio.timeout(10):
            await asyncio.wait([gateway.end])
        gateway.sink.close()


async def test_status_says_everything_in_the_contract(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        body = await gateway.until_ready()
    assert body.keys() == {
        "version", "pid", "started_at", "state", "reasons", "config", "project", "identity",
        "identities", "forecast", "workers", "routes", "secrets", "exports",
        "configu", "forwards", "rotations",
        "workload_api",
    }  # fmt: skip
    assert body["reasons"] == []
    assert body["identity"]["spiffe_id"] == "spiffe://acme.example/gw"
    assert body["identity"]["generation"] == 1
    assert body["started_at"].endswith("Z")
    (route,) = body["routes"]
    port = route["listeners"][0].rpartition(":")[2]
    assert port != "0"
    assert route["upstream"] == "https://127.0.0.1:8443"
    first, last = gateway.announced
    assert first == f"planner: http://127.0.0.1:{port} → https://127.0.0.1:8443"
    assert "a second Ctrl-C" in last


async def test_without_a_certificate_the_gateway_listens_and_says_why_not(tmp_path: Path) -> None:
    feeds = FakeFeeds()
    async with running(tmp_path, feeds=feeds) as gateway:
        feeds.identities[0].fail("the issuer does not answer")
        body = await gateway.until(lambda body: body["workers"][0]["snapshot"] > 1)
        assert body["state"] == "starting"
        assert body["reasons"] == ["the issuer does not answer"]
        assert await served_by(body["routes"][0]["listeners"][0]) == body["workers"][0]["pid"]
        code, ready = await gateway.ask("GET", "/readyz")
        assert code == 503
        assert ready["checks"]["identity"]["ok"] is False
        feeds.identities[0].error = ""
        feeds.identities[0].publish(generation())
        assert (await gateway.until_ready())["identity"]["serial"] == "01"
        assert (await gateway.ask("GET", "/readyz"))[0] == 200


async def test_an_expired_certificate_serves_until_its_renewal_failed(tmp_path: Path) -> None:
    feeds = FakeFeeds(first=generation(lifetime_s=-1))
    async with running(tmp_path, feeds=feeds) as gateway:
        await gateway.until(lambda body: body["workers"][0]["snapshot"] > 0)
        first = gateway.supervisor._snapshot
        assert first is not None
        assert first.identities
        feeds.identities[0].fail("expired, and the issuer is down")
        await gateway.until(
            lambda _: not gateway.supervisor._snapshot.identities  # type: ignore[union-attr]
        )
        feeds.identities[0].error = ""
        feeds.identities[0].publish(generation())
        await gateway.until_ready()
        snapshot = gateway.supervisor._snapshot
        assert snapshot is not None
        (identity,) = snapshot.identities
        assert identity.generation == 2


async def test_a_killed_worker_is_replaced_and_gets_its_listeners_again(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        before = await gateway.until_ready()
        address = before["routes"][0]["listeners"][0]
        await served_by(address)
        assert (await gateway.status())["routes"][0]["requests"] == {"200": 1}
        os.kill(before["workers"][0]["pid"], signal.SIGKILL)
        pid = await served_by(address)
        after = await gateway.until(lambda body: body["workers"][0]["pid"] == pid)
        assert pid != before["workers"][0]["pid"]
        assert after["workers"][0]["restarts"] == 1
        assert after["routes"][0]["requests"] == {"200": 2}
        _, metrics = await gateway.ask("GET", "/metrics")
        assert "devwiz_gw_worker_restarts_total 1\n" in metrics


async def test_two_workers_listen_on_the_same_port(tmp_path: Path) -> None:
    config = configs.config(tmp_path)
    config = replace(config, limits=replace(config.limits, workers=2))
    async with running(tmp_path, config) as gateway:
        body = await gateway.until_ready()
        pids = {worker["pid"] for worker in body["workers"]}
        address = body["routes"][0]["listeners"][0]
        assert {await served_by(address) for _ in range(40)} == pids


async def test_addresses_follow_the_names_and_outlast_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "INTERVAL_S", 0.01)
    monkeypatch.setattr(resolver, "RETRY_S", 0.01)
    answers: dict[str, tuple[tuple[str, int], ...] | OSError] = {
        "a.example": (("192.0.2.1", 1), ("192.0.2.2", 1)),
        "b.example": OSError("no such name"),
    }

    async def lookup(host: str, _port: int) -> tuple[tuple[str, int], ...]:
        answer = answers[host]
        if isinstance(answer, OSError):
            raise answer
        return answer

    route = configs.route(addresses=(("a.example", 1), ("b.example", 2)))
    async with running(tmp_path, configs.config(tmp_path, route), lookup=lookup) as gateway:

        def addresses() -> list[str]:
            snapshot = gateway.supervisor._snapshot
            assert snapshot is not None
            return [host for host, _ in snapshot.routes[0].upstream.addresses]

        await gateway.until(lambda _: addresses() == ["192.0.2.1", "192.0.2.2"])
        answers["a.example"], answers["b.example"] = OSError("down"), (("192.0.2.3", 2),)
        await gateway.until(lambda _: addresses() == ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        answers["a.example"] = (("192.0.2.2", 1),)
        body = await gateway.until(lambda _: addresses() == ["192.0.2.2", "192.0.2.3"])
        assert body["routes"][0]["unavailable"] is None


async def test_a_reload_follows_the_file_and_keeps_what_did_not_change(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        before = await gateway.until_ready()
        old = before["routes"][0]["listeners"][0]
        gateway.on_disk = configs.config(tmp_path, configs.route(), configs.route("writer"))
        assert await gateway.ask("POST", "/reload") == (200, {"ok": True})
        body = await gateway.status()
        assert body["state"] == "ready"
        assert [route["name"] for route in body["routes"]] == ["planner", "writer"]
        assert body["routes"][0]["listeners"] == [old]
        for route in body["routes"]:
            await served_by(route["listeners"][0])
        gateway.on_disk = configs.config(tmp_path, configs.route("writer"))
        assert (await gateway.ask("POST", "/reload"))[0] == 200
        with pytest.raises(ConnectionRefusedError):
            await served_by(old)
        assert body["workers"][0]["pid"] == (await gateway.status())["workers"][0]["pid"]


async def test_a_reload_changes_how_much_of_the_journal_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        kept = AuditConfig(file_bytes=100_000, keep_files=3)
        gateway.on_disk = replace(gateway.config, audit=kept)
        assert (await gateway.ask("POST", "/reload"))[0] == 200
        assert (gateway.journal.keeping.file_bytes, gateway.journal.keeping.files) == (100_000, 3)


async def test_a_bad_file_changes_nothing_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as gateway:
        before = await gateway.until_ready()
        problem = ConfigProblem("routes[0].upstream", "is not https", "use https")
        gateway.on_disk = ConfigInvalid("devwiz-gw.toml", [problem])
        code, reply = await gateway.ask("POST", "/reload")
        assert code == 409
        assert reply["problems"][0]["key"] == "routes[0].upstream"
        assert [getattr(line, "hint", "") for line in caplog.records if "refused" in line.msg] == [
            "use https"
        ]
        body = await gateway.status()
        assert body["state"] == "degraded"
        assert "routes[0].upstream: is not https" in body["reasons"][0]
        assert await served_by(before["routes"][0]["listeners"][0])
        assert (await gateway.ask("GET", "/readyz"))[0] == 200
        gateway.on_disk = gateway.config
        await gateway.ask("POST", "/reload")
        assert (await gateway.status())["state"] == "ready"
    outcomes = [line["outcome"] for line in gateway.audit() if line["action"] == "config.reload"]
    assert outcomes == ["refused", "ok"]


async def test_a_reload_that_can_not_have_its_port_leaves_no_new_listener(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running(tmp_path) as gateway:
            await gateway.until_ready()
            extra = configs.route("extra", listen=(TcpAddress("127.0.0.1", port),))
            gateway.on_disk = configs.config(tmp_path, configs.route(), extra)
            code, reply = await gateway.ask("POST", "/reload")
            assert code == 409
            assert f"127.0.0.1:{port}" in reply["title"]
            assert [route["name"] for route in (await gateway.status())["routes"]] == ["planner"]


async def test_keys_that_need_a_restart_are_refused_by_name(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        gateway.on_disk = replace(gateway.config, project="other")
        code, reply = await gateway.ask("POST", "/reload")
        assert code == 409
        assert reply["problems"][0]["key"] == "project"


def with_other_source(config: Config) -> Config:
    (files,) = config.identity.sources
    assert isinstance(files, FilesSourceConfig)
    files = replace(files, certificate=files.certificate.with_name("other.pem"))
    return replace(config, identity=replace(config.identity, sources=(files,)))


async def test_a_new_identity_source_takes_over_without_a_gap(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        gateway.on_disk = with_other_source(gateway.config)
        assert (await gateway.ask("POST", "/reload"))[0] == 200
        body = await gateway.until(lambda body: body["identity"]["generation"] == 2)
        assert body["state"] == "ready"
        assert gateway.feeds.identities[0].closed


async def test_a_changed_trust_file_reaches_the_workers(tmp_path: Path) -> None:
    bundle, crl = tmp_path / "ca.pem", tmp_path / "crl.pem"
    one, two = Authority(), Authority()
    bundle.write_text(one.pem)
    crl.write_text(one.crl())
    route = configs.route(trust_bundle=bundle, crl=crl)
    async with running(tmp_path, configs.config(tmp_path, route)) as gateway:
        before = (await gateway.until_ready())["workers"][0]["snapshot"]
        bundle.write_text(one.pem + two.pem)
        await gateway.until(lambda body: body["workers"][0]["snapshot"] > before)
        snapshot = gateway.supervisor._snapshot
        assert snapshot is not None
        assert snapshot.routes[0].tls.bundle_pem == one.pem + two.pem
        crl.write_text("half")
        body = await gateway.until(lambda body: body["state"] == "degraded")
        assert "no revocation list in PEM" in body["reasons"][0]
        assert body["routes"][0]["trust_problems"] == [body["reasons"][0].partition(": ")[2]]
        assert (await gateway.ask("GET", "/readyz"))[0] == 200
    told = [line for line in gateway.audit() if line["action"] == "trust.changed"]
    assert [line["name"] for line in told] == [str(bundle)]


async def test_a_trust_file_that_cant_be_used_stops_a_start_and_a_reload(tmp_path: Path) -> None:
    bad = configs.route(trust_bundle=tmp_path / "gone.pem")
    gateway = Gateway(tmp_path, configs.config(tmp_path, bad), FakeFeeds(), "")
    with pytest.raises(ConfigInvalid):
        await gateway.supervisor.run()
    gateway.sink.close()
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        gateway.on_disk = configs.config(tmp_path, bad)
        code, reply = await gateway.ask("POST", "/reload")
        assert code == 409
        assert reply["problems"][0]["key"] == "routes.planner.trust_bundle"


async def test_other_revocation_lists_are_no_other_identity_source(tmp_path: Path) -> None:
    crl = tmp_path / "crl.pem"
    crl.write_text(Authority().crl())
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        config = gateway.config
        gateway.on_disk = replace(config, identity=replace(config.identity, crl=crl))
        assert (await gateway.ask("POST", "/reload"))[0] == 200
        assert len(gateway.feeds.identities) == 1
        snapshot = gateway.supervisor._snapshot
        assert snapshot is not None
        assert snapshot.routes[0].tls.crl_pem == crl.read_text()


async def test_events_of_a_worker_are_heard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with running(tmp_path, mode="chatty") as gateway:
        body = await gateway.until(lambda body: bool(body["routes"][0]["unavailable"]))
        assert body["routes"][0]["unavailable"] == "bad bundle"
        asked = gateway.feeds.identities[0].refreshed
        assert asked == ["planner refused our certificate: revoked"]
        # The same generation again is not another reason.
        await gateway.ask("POST", "/reload")
        assert len(asked) == 1
        await gateway.ask("POST", "/identity/renew")
        assert asked[1:] == ["asked for by the operator"]
    assert "hello" in caplog.messages
    assert b'{"access":1}\n' in (tmp_path / "gw.log").read_bytes()


def refusal(route: str, generation: int) -> events.Event:
    told: dict[str, str | int | float | None] = {
        "route": route,
        "identity": "default",
        "cause": "revoked",
    }
    return events.Event(name=events.LATE_ALERT, fields=told | {"generation": generation})


async def test_a_refused_certificate_is_renewed_once_and_not_for_ever(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        feed, hear = gateway.feeds.identities[0], gateway.supervisor._on_event
        for _ in range(3):  # each worker tells
            hear(refusal("planner", 1))
        assert len(feed.refreshed) == 1
        feed.publish(generation())
        for number in (2, 2, 1):
            hear(refusal("planner", number))
        feed.publish(generation())
        hear(refusal("planner", 3))
        assert len(feed.refreshed) == 1, "another certificate did not help"
        hear(refusal("writer", 3))
        hear(refusal("planner", 3))
        assert len(feed.refreshed) == 2, "it may help another route"
        feed.publish(generation())
        feed.publish(generation())
        hear(refusal("planner", 5))
        assert len(feed.refreshed) == 3, "the fourth was accepted"


async def test_requests_are_remembered_even_when_they_are_not_logged(tmp_path: Path) -> None:
    quiet = configs.config(tmp_path, log=LogConfig(access=False))
    async with running(tmp_path, quiet, mode="chatty") as gateway:
        await gateway.until(lambda body: bool(body["routes"][0]["unavailable"]))
        line = b'{"id":"ab-1","route":"planner","generation":1,"reason":"tls_failed","stage":"tls"}'
        gateway.supervisor._on_access(line + b"\n")
        code, body = await gateway.ask("GET", "/requests/ab-1")
        assert code == 200
        (told,) = body["requests"]
        assert told["certificate"]["serial"] == generation().serial
        assert told["request"]["title"] == explanation("tls_failed").title
        assert (await gateway.ask("GET", "/requests?failed=1"))[1]["requests"] == [told["request"]]
    assert b"access" not in (tmp_path / "gw.log").read_bytes()


async def test_refused_callers_are_on_paper(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        gateway.supervisor._on_event(
            events.Event(
                name=events.CALLER_DENIED,
                fields={"route": "planner", "listener": "l1", "reason": "uid 7", "count": 3},
            )
        )
    (line,) = [line for line in gateway.audit() if line["action"] == "route.use"]
    assert (line["name"], line["outcome"]) == ("planner", "denied")
    assert line["reason"] == "uid 7 (3 refusals)"


async def test_refused_credentials_are_asked_for_and_it_is_on_paper(tmp_path: Path) -> None:
    refused = events.Event(name=events.UNAUTHORIZED, fields={"route": "planner"})
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        headers = gateway.feeds.header_feed
        headers.renewal = "renewed"
        gateway.supervisor._on_event(refused)
        gateway.supervisor._on_event(refused)
        async with asyncio.timeout(20):
            while not headers.renewed:
                await asyncio.sleep(0.001)
        assert headers.renewed == ["planner"]
    (line,) = [line for line in gateway.audit() if line["action"] == "route.refused"]
    assert (line["name"], line["outcome"]) == ("planner", "ok")


async def test_requests_without_a_certificate_hasten_the_next_attempt(tmp_path: Path) -> None:
    missing = events.Event(name=events.IDENTITY_EXPIRED, fields={"identity": "default"})
    expired = events.Event(name=events.IDENTITY_EXPIRED, fields={"identity": "default"})
    async with running(tmp_path, feeds=FakeFeeds()) as gateway:
        identity = gateway.feeds.identities[0]
        for _ in range(2):
            gateway.supervisor._on_event(missing)
        assert identity.refreshed == ["requests wait for a certificate"] * 2
        identity.publish(generation(lifetime_s=-1))
        gateway.supervisor._on_event(expired)
        assert len(identity.refreshed) == 3
        identity.publish(generation())
        gateway.supervisor._on_event(expired)
        assert len(identity.refreshed) == 3, "there is a good one by now"


async def test_an_identity_that_was_taken_back_is_no_renewal_in_the_journal(tmp_path: Path) -> None:
    async with running(tmp_path, feeds=FakeFeeds()) as gateway:
        gateway.feeds.identities[0].publish(generation())
        gateway.feeds.identities[0].publish(generation(lifetime_s=-1))
        wanted = ["gateway.start", "identity.renewed", "identity.ended"]
        async with asyncio.timeout(30):
            while [line["action"] for line in gateway.audit()] != wanted:
                await asyncio.sleep(0.02)


async def test_drain_ends_the_program_with_0_and_leaves_no_socket(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, configs.config(tmp_path), FakeFeeds(first=generation()), "")
    task = asyncio.create_task(gateway.supervisor.run())
    await gateway.until_up()
    body = await gateway.until_ready()
    assert await gateway.ask("POST", "/drain") == (200, {"ok": True})
    async with asyncio.timeout(30):
        assert await task == 0
    assert not gateway.config.admin.socket.exists()
    with pytest.raises(ConnectionRefusedError):
        await served_by(body["routes"][0]["listeners"][0])
    with pytest.raises(ProcessLookupError):
        os.kill(body["workers"][0]["pid"], 0)
    actions = [line["action"] for line in gateway.audit()]
    assert actions == ["gateway.start", "identity.renewed", "gateway.stop"]
    gateway.sink.close()


async def test_a_drain_ends_also_while_a_reload_swaps_a_source_that_stops_slowly(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        first = gateway.feeds.identities[0]
        first.stops_in_s = 0.5
        gateway.on_disk = with_other_source(gateway.config)
        reload = asyncio.create_task(gateway.supervisor.reload())
        while len(gateway.feeds.identities) < 2 or first.closed:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        gateway.supervisor.drain()
        await asyncio.wait([reload], timeout=5)
        async with asyncio.timeout(30):
            assert await gateway.end == 0
        assert [identity.closed for identity in gateway.feeds.identities] == [True, True]


async def test_a_drain_gives_a_reload_up_and_takes_back_what_it_opened(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        other = with_other_source(gateway.config)
        new = tmp_path / "new.sock"
        extra = configs.route("extra", listen=(UnixAddress(new),))
        gateway.on_disk = replace(other, routes=(*other.routes, extra))
        headers = gateway.feeds.header_feed
        headers.is_preparing.clear()
        headers.may_prepare.clear()
        reload = asyncio.create_task(gateway.supervisor.reload())
        async with asyncio.timeout(30):
            await headers.is_preparing.wait()
        assert new.exists()
        gateway.supervisor.drain()
        with pytest.raises(StartFailed, match="stopping"):
            await reload
        assert not new.exists()
        assert gateway.feeds.identities[1].closed
        headers.may_prepare.set()
        with pytest.raises(StartFailed, match="stopping"):
            await gateway.supervisor.reload()
        async with asyncio.timeout(30):
            assert await gateway.end == 0


async def test_a_drain_while_listeners_are_being_opened_leaves_none(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        news = [tmp_path / f"{index}.sock" for index in range(20)]
        extra = configs.route("extra", listen=tuple(UnixAddress(path) for path in news))
        gateway.on_disk = replace(gateway.config, routes=(*gateway.config.routes, extra))
        reload = asyncio.create_task(gateway.supervisor.reload())
        while not news[0].exists() and not reload.done():
            await asyncio.sleep(0)
        gateway.supervisor.drain()
        await asyncio.wait([reload], timeout=5)
        async with asyncio.timeout(30):
            assert await gateway.end == 0
        assert not [path for path in news if path.exists()]


async def test_a_worker_that_does_not_drain_is_cut_at_the_deadline(tmp_path: Path) -> None:
    config = configs.config(tmp_path)
    config = replace(config, limits=replace(config.limits, drain_timeout_s=60.0))
    gateway = Gateway(tmp_path, config, FakeFeeds(first=generation()), "deaf")
    task = asyncio.create_task(gateway.supervisor.run())
    await gateway.until_up()
    pid = (await gateway.until_ready())["workers"][0]["pid"]
    gateway.supervisor.drain()
    await gateway.until(lambda body: body["state"] == "draining")
    os.kill(pid, 0)
    gateway.supervisor.drain()
    async with asyncio.timeout(30):
        assert await task == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    gateway.sink.close()


async def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        routes = (
            configs.route(),
            configs.route("second", listen=(TcpAddress("127.0.0.1", port),)),
        )
        config = configs.config(tmp_path, *routes)
        gateway = Gateway(tmp_path, config, FakeFeeds(), "")
        with pytest.raises(StartFailed, match=f"127.0.0.1:{port}"):
            await gateway.supervisor.run()
    assert gateway.feeds.identities[0].closed
    assert not config.admin.socket.exists()
    gateway.sink.close()


async def test_a_second_gateway_on_the_same_admin_socket_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        second = Gateway(tmp_path, gateway.config, FakeFeeds(), "")
        with pytest.raises(StartFailed, match="another program answers"):
            await second.supervisor.run()
        second.sink.close()
        assert (await gateway.status())["state"] == "ready"
