"""Sockets that a service manager opened are served by the routes that listen there."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.service_manager import FakeServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[FakeServiceManager]:
    with FakeServiceManager(str(tmp_path / "notify")) as made:
        yield made


@pytest.fixture
def given() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def address(item: socket.socket) -> str:
    host, port = item.getsockname()
    return f"{host}:{port}"


def test_by_name_with_several_workers_and_through_a_reload(
    gateway: GatewayProcess, manager: FakeServiceManager, given: socket.socket
) -> None:
    gateway.configure()
    text = gateway.config.read_text().replace("[limits]", "[limits]\nworkers = 2")
    gateway.configure(text)
    manager.start(gateway, sockets=[given], names=["planner"])
    manager.hear_until("READY=1")
    at = address(given)
    assert gateway.status()["routes"][0]["listeners"] == [at]
    for _ in range(8):
        assert gateway.request("POST", "/", at=at, body=b"x") == (200, b"x")
    assert gateway.request("GET", "/", at=at, headers={"Host": "evil.example"})[0] == 421
    assert gateway.request("GET", "/", at=at, headers={"Origin": "null"})[0] == 403
    gateway.configure(text + 'pass_headers = ["X-A"]\n')
    gateway.signal(signal.SIGHUP)
    manager.hear_until("READY=1")
    assert gateway.command("reload", "--workers").returncode == 0
    assert gateway.request("POST", "/", at=at, body=b"y") == (200, b"y")


def test_by_address_and_callers_wait_while_the_gateway_is_restarted(
    gateway: GatewayProcess, manager: FakeServiceManager, given: socket.socket
) -> None:
    gateway.configure(listen=address(given))
    manager.start(gateway, sockets=[given], names=["devwiz-gw.socket"])
    manager.hear_until("READY=1")
    assert gateway.request("POST", "/", body=b"x") == (200, b"x")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait()[0] == 0
    with socket.create_connection(given.getsockname(), timeout=30) as early:
        head = f"POST / HTTP/1.1\r\nHost: {address(given)}\r\nContent-Length: 2\r\n\r\nab"
        early.sendall(head.encode())
        manager.start(gateway, sockets=[given], names=["devwiz-gw.socket"])
        assert early.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_a_unix_socket(gateway: GatewayProcess, manager: FakeServiceManager) -> None:
    path = gateway.folder / "planner.sock"
    with socket.socket(socket.AF_UNIX) as item:
        item.bind(str(path))
        item.listen()
        gateway.configure(listen=f"unix:{path}")
        manager.start(gateway, sockets=[item], names=["planner"])
        manager.hear_until("READY=1")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(path))
            client.sendall(b"POST / HTTP/1.1\r\nHost: gw\r\nContent-Length: 1\r\n\r\nz")
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        gateway.signal(signal.SIGTERM)
        assert gateway.wait()[0] == 0
        assert path.exists()


def test_one_that_no_route_listens_on_ends_the_start(
    gateway: GatewayProcess, manager: FakeServiceManager, given: socket.socket
) -> None:
    gateway.configure(listen="127.0.0.1:0")
    manager.start(gateway, sockets=[given], names=["unknown"])
    code, _, said = gateway.wait()
    assert code == 1
    assert f"a socket ('unknown') that listens on {address(given)}, where no route" in said
    assert "ListenStream=" in said


def test_one_on_every_address_is_not_taken_for_loopback(
    gateway: GatewayProcess, manager: FakeServiceManager
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as wide:
        port = wide.getsockname()[1]
        gateway.configure(listen=f"127.0.0.1:{port}")
        manager.start(gateway, sockets=[wide], names=["planner"])
        code, _, said = gateway.wait()
    assert code == 1
    assert f"listens on 0.0.0.0:{port}, where the route 'planner' doesn't listen" in said
