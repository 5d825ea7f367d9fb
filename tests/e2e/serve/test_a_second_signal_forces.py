"""A drain waits for what is in flight; a second signal cuts it, and the exit code says so."""

from __future__ import annotations

import signal
import socket

from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess, is_refused
from tests.fakes.scripted_upstream import ScriptedUpstream, wait_until


def open_request(gateway: GatewayProcess, upstream: ScriptedUpstream) -> socket.socket:
    """A request whose body is not complete."""
    address = gateway.until_ready()["routes"][0]["listeners"][0]
    host, _, port = address.rpartition(":")
    client = socket.create_connection((host, int(port)), timeout=DEADLINE_S)
    head = f"POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 2\r\n\r\na"
    client.sendall(head.encode())
    upstream.wait_for(lambda seen: len(seen.requests) == 1)
    return client


def test_a_request_in_flight_is_finished(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    gateway.start()
    with open_request(gateway, upstream) as client:
        gateway.signal(signal.SIGTERM)
        gateway.until(lambda body: body["state"] == "draining")
        wait_until(lambda: is_refused(client.getpeername()))
        client.sendall(b"b")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert gateway.wait()[0] == 0


def test_a_second_signal_cuts_it(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    gateway.start()
    with open_request(gateway, upstream):
        gateway.signal(signal.SIGTERM)
        gateway.until(lambda body: body["state"] == "draining")
        gateway.signal(signal.SIGTERM)
        assert gateway.wait()[0] == 1


def test_the_deadline_cuts_it(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    text = gateway.config.read_text().replace("drain_timeout_s = 5", "drain_timeout_s = 0.3")
    gateway.configure(text)
    gateway.start()
    with open_request(gateway, upstream):
        gateway.signal(signal.SIGTERM)
        assert gateway.wait()[0] == 1
