"""Reloads, refused and taken, while a stream runs on a route that they don't change."""

from __future__ import annotations

import signal
import socket

from tests.e2e.conftest import StartStack
from tests.fakes.gateway_process import is_refused
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.stack import Gateway, free_port


def test_a_stream_runs_through_all_of_them(start_stack: StartStack) -> None:
    stack = start_stack()
    gateway = stack.gateway
    gateway.start()
    gateway.until_ready()
    address = gateway.address()
    host, _, port = address.rpartition(":")
    with RawClient(socket.create_connection((host, int(port))), address) as client:
        client.send(client.head("/events?count=150"))
        assert b"\r\n\r\n" in client.read_head()
        refuse_a_broken_file(gateway)
        new = add_a_route(gateway)
        gateway.configure()
        gateway.signal(signal.SIGHUP)
        gateway.until(lambda body: len(body["routes"]) == 1)
        wait_until(lambda: is_refused(("127.0.0.1", new)))
        events = b"".join(iter(client.read_chunk, b""))
        assert events == b"".join(b"data: %d\n\n" % number for number in range(150))
        assert client.get("/echo").status == 200, "on the same connection"
    assert gateway.address() == address
    assert gateway.command("status").returncode == 0
    outcomes = [line["outcome"] for line in gateway.audit() if line["action"] == "config.reload"]
    assert outcomes == ["refused", "ok", "ok"]


def refuse_a_broken_file(gateway: Gateway) -> None:
    """The old configuration stays, and the command and the status say what is wrong."""
    gateway.configure(more='[[routes]]\nname = "half"\n')
    told = gateway.command("reload")
    assert told.returncode == 1
    assert "routes.half.upstream" in told.stderr
    assert "goes on with the configuration that it had" in told.stderr
    shown = gateway.command("status")
    assert shown.returncode == 1
    assert "the last reload was refused" in shown.stdout
    assert "routes.half.upstream" in shown.stdout
    assert gateway.command("healthcheck").returncode == 0, "it serves as before"


def add_a_route(gateway: Gateway) -> int:
    """The port of a route that a reload added, and that works."""
    port = free_port()
    gateway.configure(more=gateway.route("writer", listen=f"127.0.0.1:{port}"))
    assert gateway.command("reload").returncode == 0
    assert gateway.request("POST", "/echo", at=f"127.0.0.1:{port}", body=b"x")[0] == 200
    return port
