"""With `linger_timeout_s` an application that is told to stop too finishes through the gateway."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess


@pytest.fixture(autouse=True)
def lingers(gateway: GatewayProcess) -> None:
    """It would wait for ten minutes."""
    text = gateway.config.read_text()
    gateway.configure(text.replace("drain_timeout_s", "linger_timeout_s = 600\ndrain_timeout_s"))


@contextmanager
def caller(gateway: GatewayProcess) -> Iterator[http.client.HTTPConnection]:
    """A new connection."""
    host, _, port = gateway.status()["routes"][0]["listeners"][0].rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE_S)
    try:
        yield connection
    finally:
        connection.close()


def echoes(connection: http.client.HTTPConnection) -> bool:
    """Whether a request is answered, and the connection stays."""
    connection.request("POST", "/", b"words")
    reply = connection.getresponse()
    return reply.read() == b"words" and not reply.will_close


def test_new_connections_are_served_until_the_last_is_gone(gateway: GatewayProcess) -> None:
    gateway.start()
    gateway.until_ready()
    with caller(gateway) as early:
        assert echoes(early)
        gateway.signal(signal.SIGTERM)
        gateway.until(lambda body: body["state"] == "draining")
        assert gateway.command("healthcheck").returncode == 1
        assert echoes(early)
        with caller(gateway) as late:
            assert echoes(late)
    assert gateway.wait()[0] == 0


@pytest.mark.parametrize("how", ["signal", "command"])
def test_it_is_ended_by_a_second_signal_or_the_command(gateway: GatewayProcess, how: str) -> None:
    gateway.start()
    gateway.until_ready()
    with caller(gateway) as client:
        assert echoes(client)
        gateway.signal(signal.SIGTERM)
        gateway.until(lambda body: body["state"] == "draining")
        if how == "signal":
            gateway.signal(signal.SIGTERM)
        else:
            assert gateway.command("drain").returncode == 0
        # The idle connection of a drain is closed, where lingering kept it.
        assert client.sock.recv(1) == b""
    assert gateway.wait()[0] == 0
