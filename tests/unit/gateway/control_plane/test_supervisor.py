from __future__ import annotations

import asyncio
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.audit_model import AuditConfig
from gateway.config.model import LogConfig, TcpAddress
from gateway.control_plane import resolver
from gateway.data_plane.failure import explanation
from gateway.errors import ConfigInvalid, ConfigProblem, StartFailed
from tests.fakes import configs
from tests.fakes.authority import Authority
from tests.fakes.feeds import FakeFeeds, generation
from tests.fakes.supervisor_rig import SupervisorRig, running, served_by, with_other_source


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
        assert gateway.snapshot.identities
        feeds.identities[0].fail("expired, and the issuer is down")
        await gateway.until(lambda _: not gateway.snapshot.identities)
        feeds.identities[0].error = ""
        feeds.identities[0].publish(generation())
        await gateway.until_ready()
        snapshot = gateway.snapshot
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
            snapshot = gateway.snapshot
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
        snapshot = gateway.snapshot
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
    gateway = SupervisorRig(tmp_path, configs.config(tmp_path, bad), FakeFeeds(), "")
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
        snapshot = gateway.snapshot
        assert snapshot.routes[0].tls.crl_pem == crl.read_text()


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


async def test_an_identity_that_was_taken_back_is_no_renewal_in_the_journal(tmp_path: Path) -> None:
    async with running(tmp_path, feeds=FakeFeeds()) as gateway:
        gateway.feeds.identities[0].publish(generation())
        gateway.feeds.identities[0].publish(generation(lifetime_s=-1))
        wanted = ["gateway.start", "identity.renewed", "identity.ended"]
        async with asyncio.timeout(30):
            while [line["action"] for line in gateway.audit()] != wanted:
                await asyncio.sleep(0.02)


async def test_drain_ends_the_program_with_0_and_leaves_no_socket(tmp_path: Path) -> None:
    gateway = SupervisorRig(tmp_path, configs.config(tmp_path), FakeFeeds(first=generation()), "")
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


async def test_a_worker_that_does_not_drain_is_cut_at_the_deadline(tmp_path: Path) -> None:
    config = configs.config(tmp_path)
    config = replace(config, limits=replace(config.limits, drain_timeout_s=60.0))
    gateway = SupervisorRig(tmp_path, config, FakeFeeds(first=generation()), "deaf")
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
        gateway = SupervisorRig(tmp_path, config, FakeFeeds(), "")
        with pytest.raises(StartFailed, match=f"127.0.0.1:{port}"):
            await gateway.supervisor.run()
    assert gateway.feeds.identities[0].closed
    assert not config.admin.socket.exists()
    gateway.sink.close()


async def test_a_second_gateway_on_the_same_admin_socket_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        second = SupervisorRig(tmp_path, gateway.config, FakeFeeds(), "")
        with pytest.raises(StartFailed, match="another program answers"):
            await second.supervisor.run()
        second.sink.close()
        assert (await gateway.status())["state"] == "ready"
