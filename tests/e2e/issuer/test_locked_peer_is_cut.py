"""A workload is locked while its connection is open: the far gateway cuts that connection, the
near one says why, and both go on by themselves when the lock is lifted. Another workload notices
nothing.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from certs.issuer.folder import OpenedIssuer, open_issuer
from certs.issuer.locking import LockOrder
from certs.issuer.locks import LockKind, Target
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.two_gateways import two_gateways

CALLER = Target(kind=LockKind.BOT, name="caller")


@contextmanager
def echo_agent() -> Iterator[int]:
    """Sends back what it gets; its port."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(4096):
                connection.sendall(data)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield server.getsockname()[1]
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        accepting.join(DEADLINE_S)


@contextmanager
def operator(folder: Path) -> Iterator[OpenedIssuer]:
    """Somebody with the issuer's folder, as `issuer lock` is."""
    opened = open_issuer(folder)
    try:
        yield opened
    finally:
        opened.service.close()


def connected(address: str) -> socket.socket:
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=DEADLINE_S)
    connection.settimeout(DEADLINE_S)
    return connection


def echoes(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"ping")
        return connection.recv(4) == b"ping"
    except OSError:
        return False


def is_cut(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def gets_through(address: str) -> bool:
    with suppress(OSError), connected(address) as connection:
        return echoes(connection)
    return False


def test_a_locked_peer_is_cut_and_healed(tmp_path: Path) -> None:
    with (
        echo_agent() as port,
        two_gateways(tmp_path, port, protocol="tcp", life_s=3600) as gateways,
        operator(tmp_path / "issuer") as issuer,
    ):
        near, far = gateways.near, gateways.far
        with connected(gateways.address) as connection:
            assert echoes(connection)
            order = LockOrder(target=CALLER, message="laptop lost, call Ada")
            issuer.locking.lock(order, datetime.now(UTC))
            assert is_cut(connection)
        locked = near.until(lambda body: body["identity"]["state"] == "locked")
        assert "laptop lost, call Ada" in locked["identity"]["reason"]
        assert "issuer unlock" in locked["identity"]["last_error_hint"]
        assert locked["state"] == "degraded"
        assert not gets_through(gateways.address)
        assert far.status()["identity"]["state"] == "valid"
        issuer.locking.unlock(CALLER, datetime.now(UTC))
        near.until(lambda body: body["identity"]["state"] == "valid")
        wait_until(lambda: gets_through(gateways.address))
        assert far.status()["identity"]["generation"] == 1
