"""`gateway.data_plane.caller`, asked of the real kernel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.data_plane.caller import UNKNOWN, CallerLookup

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells on Linux only")

CONNECT = """
import encodings.idna, os, socket, sys  # that user may not read the interpreter's folder
os.setuid(int(sys.argv[2]))
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sys.stdin.read(1)
"""


@pytest.fixture
def lookup() -> Iterator[CallerLookup]:
    lookup = CallerLookup()
    yield lookup
    lookup.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_owner_of_a_tcp_connection(lookup: CallerLookup, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]),
        server.accept()[0] as accepted,
    ):
        caller = lookup.of(accepted)
        assert caller.uid == os.getuid()
        assert caller.exe() == str(Path("/proc/self/exe").readlink())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a caller as somebody else")
def test_another_users_connection(lookup: CallerLookup) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        command = [sys.executable, "-I", "-c", CONNECT, str(server.getsockname()[1]), "12345"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
            accepted, _ = server.accept()
            assert lookup.of(accepted).uid == 12345
            child.communicate(timeout=10)
            assert lookup.of(accepted) is UNKNOWN
            accepted.close()


def test_a_connection_that_its_process_closed_belongs_to_nobody(lookup: CallerLookup) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        with server.accept()[0] as accepted:
            peer.close()
            assert lookup.of(accepted) is UNKNOWN


def test_an_ipv4_address_in_ipv6_clothes(lookup: CallerLookup) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as peer:
        peer.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        with server.accept()[0] as accepted:
            assert lookup.of(accepted).uid == os.getuid()


def test_the_process_behind_a_unix_socket(lookup: CallerLookup, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as peer:
        server.bind(str(tmp_path / "s"))
        server.listen()
        peer.connect(str(tmp_path / "s"))
        with server.accept()[0] as accepted:
            caller = lookup.of(accepted)
            assert (caller.uid, caller.pid) == (os.getuid(), os.getpid())
            assert caller.exe() == str(Path("/proc/self/exe").readlink())
