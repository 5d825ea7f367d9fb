"""Signals and reloads during a drain, or several at once: what was asked for, or nothing."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, wait_until


@contextmanager
def draining(gateway: GatewayProcess, upstream: ScriptedUpstream) -> Iterator[socket.socket]:
    """A gateway that waits for the rest of a request's body, `b`."""
    gateway.start()
    address = gateway.until_ready()["routes"][0]["listeners"][0]
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 2\r\n\r\na".encode())
        upstream.wait_for(lambda seen: len(seen.requests) == 1)
        gateway.signal(signal.SIGTERM)
        gateway.until(lambda body: body["state"] == "draining")
        yield client


def finishes(gateway: GatewayProcess, client: socket.socket) -> None:
    """The request is finished, and the gateway ends with 0."""
    client.sendall(b"b")
    assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert gateway.wait()[0] == 0


def test_a_hangup_during_a_drain_changes_nothing(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    with draining(gateway, upstream) as client:
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: any(line.get("event") == "reload_refused" for line in gateway.log()))
        assert gateway.status()["state"] == "draining"
        finishes(gateway, client)


def test_commands_during_a_drain_are_refused_with_the_reason(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    with draining(gateway, upstream) as client:
        for path in ("/reload", "/workers/replace"):
            code, body = gateway.ask("POST", path)
            assert (code, body["title"]) == (409, "the gateway is stopping")
        assert gateway.command("healthcheck").returncode == 1
        finishes(gateway, client)


def test_many_reloads_at_once_are_made_one_after_the_other(gateway: GatewayProcess) -> None:
    gateway.start()
    address = gateway.until_ready()["routes"][0]["listeners"][0]
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(gateway.ask("POST", "/reload")[0]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for _ in range(8):
        gateway.signal(signal.SIGHUP)
    assert gateway.request("POST", body=b"x", at=address) == (200, b"x")
    for thread in threads:
        thread.join()
    assert codes == [200] * 8
    body = gateway.until_ready()
    assert body["routes"][0]["listeners"] == [address]
    assert [worker["restarts"] for worker in body["workers"]] == [0]


def test_a_hangup_before_it_is_ready_is_no_end(gateway: GatewayProcess) -> None:
    gateway.start()
    gateway.until(lambda _: True)
    gateway.signal(signal.SIGHUP)
    gateway.until_ready()
    assert gateway.request("POST", body=b"x") == (200, b"x")
