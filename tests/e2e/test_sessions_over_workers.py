"""Several workers send a session's requests to one address, also after they were replaced."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.fakes.session_server import SessionServer

CLIENTS = 16


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """Two workers in front of three servers."""
    authority = Authority()
    with ExitStack() as stack:
        context = server_context(authority.issue("localhost"), authority)
        ports = [
            stack.enter_context(ScriptedUpstream(context, SessionServer(name).script)).port
            for name in "abc"
        ]
        made = stack.enter_context(GatewayProcess(tmp_path, authority, upstream_port=ports[0]))
        addresses = [f"127.0.0.1:{port}" for port in ports]
        text = made.config.read_text()
        made.write_config(
            text.replace("[limits]", "[limits]\nworkers = 2") + f"addresses = {addresses}\n"
        )
        made.start()
        made.until_ready()
        yield made


def test_each_worker_knows_each_session(gateway: GatewayProcess) -> None:
    with ExitStack() as stack:
        begun = [_initialize(client) for client in _clients(stack, gateway)]
    assert {server for _, server in begun} == set("abc")
    _settle(gateway)
    _assert_kept(gateway, begun)
    for pid in [worker["pid"] for worker in gateway.status()["workers"]]:
        os.kill(pid, signal.SIGKILL)
        gateway.until(lambda body, gone=pid: gone not in _pids(body))  # type: ignore[misc]
        gateway.until_ready()
    _assert_kept(gateway, begun)
    assert gateway.command("reload", "--workers").returncode == 0
    _assert_kept(gateway, begun)


def _initialize(client: RawClient) -> tuple[str, str]:
    answer = client.post(b"{}", "/mcp")
    session = answer.field("Mcp-Session-Id")
    assert session is not None
    return session, answer.body.decode()


def _assert_kept(gateway: GatewayProcess, begun: list[tuple[str, str]]) -> None:
    """Whichever worker is asked, each session is where it was begun."""
    with ExitStack() as stack:
        clients = _clients(stack, gateway)
        for client in clients:
            for session, server in begun:
                answer = client.post(b"{}", "/mcp", f"Mcp-Session-Id: {session}")
                assert (answer.status, answer.body.decode()) == (200, server)
        carried = [worker["connections"] for worker in gateway.status()["workers"][:2]]
        assert all(carried), "the kernel spreads connections over both"


def _clients(stack: ExitStack, gateway: GatewayProcess) -> list[RawClient]:
    address = gateway.address()
    host, _, port = address.rpartition(":")
    return [
        stack.enter_context(RawClient(socket.create_connection((host, int(port))), address))
        for _ in range(CLIENTS)
    ]


def _settle(gateway: GatewayProcess) -> None:
    """What a worker told before its numbers was passed on before the others are asked again."""
    gateway.status()
    gateway.status()


def _pids(body: dict[str, list[dict[str, int]]]) -> list[int]:
    return [worker["pid"] for worker in body["workers"]]
