"""`gateway.data_plane.caller`, asked of the real kernel."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.data_plane.caller import UNKNOWN, Caller, CallerLookup

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells on Linux only")
AS_ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else"
)

OURS = str(Path("/proc/self/exe").readlink()) if sys.platform == "linux" else ""
CONNECT = """
import encodings.idna, os, socket, sys  # that user may not read the interpreter's folder
os.setuid(int(sys.argv[2]))
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sys.stdin.read(1)
"""
# Who has no number in our user namespace, and who has one.
LOOK_FROM_A_NAMESPACE = """
import socket, sys
from gateway.data_plane.caller import CallerLookup
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
lookup = CallerLookup()
for _ in range(2):
    with server.accept()[0] as accepted:
        print(lookup.of(accepted).uid, flush=True)
        accepted.recv(1)
lookup.close()
"""


@pytest.fixture
def lookup() -> Iterator[CallerLookup]:
    lookup = CallerLookup()
    yield lookup
    lookup.close()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


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
        assert caller.exe() == OURS


@AS_ROOT
def test_another_users_connection(lookup: CallerLookup, server: socket.socket) -> None:
    command = [sys.executable, "-I", "-c", CONNECT, str(server.getsockname()[1]), "12345"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        accepted, _ = server.accept()
        assert lookup.of(accepted).uid == 12345
        child.communicate(timeout=10)
        assert lookup.of(accepted) is UNKNOWN
        accepted.close()


@AS_ROOT
def test_a_user_without_a_number_in_our_namespace_is_nobody() -> None:
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", LOOK_FROM_A_NAMESPACE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as looking:
        assert looking.stdout is not None
        port = looking.stdout.readline().strip()
        if not port:
            pytest.skip("no user namespace can be made here")
        said = []
        for uid in ("12345", "0"):
            connect = [sys.executable, "-I", "-c", CONNECT, port, uid]
            with subprocess.Popen(connect, stdin=subprocess.PIPE) as child:
                said.append(looking.stdout.readline().strip())
                child.communicate(b"x", timeout=10)
        assert said == ["None", "0"]


def test_a_connection_that_its_process_closed_belongs_to_nobody(
    lookup: CallerLookup, server: socket.socket
) -> None:
    peer = socket.create_connection(server.getsockname())
    with server.accept()[0] as accepted:
        peer.close()
        assert lookup.of(accepted) is UNKNOWN


def test_a_caller_that_said_all_is_still_known(lookup: CallerLookup, server: socket.socket) -> None:
    with socket.create_connection(server.getsockname()) as peer, server.accept()[0] as accepted:
        peer.sendall(b"all")
        peer.shutdown(socket.SHUT_WR)
        assert accepted.recv(10) == b"all"
        assert lookup.of(accepted).uid == os.getuid()


def test_a_connection_that_was_cut_belongs_to_nobody(
    lookup: CallerLookup, server: socket.socket
) -> None:
    peer = socket.create_connection(server.getsockname())
    with server.accept()[0] as accepted:
        peer.sendall(b"request")
        reset(peer)
        assert lookup.of(accepted) is UNKNOWN


def test_whoever_listens_on_the_callers_port_is_not_the_caller(
    lookup: CallerLookup, server: socket.socket
) -> None:
    """The kernel falls back to a listening socket, whoever's it is."""
    # An address where nobody else takes the port meanwhile.
    peer = socket.create_connection(server.getsockname(), source_address=("127.0.0.78", 0))
    with server.accept()[0] as accepted:
        here, there = accepted.getsockname(), accepted.getpeername()
        reset(peer)
        accepted.close()
        with socket.create_server(there):
            lookup.open()
            assert lookup._ask(socket.AF_INET, there, here) is UNKNOWN


def test_who_only_tries_to_connect_is_not_the_caller(lookup: CallerLookup) -> None:
    with socket.socket() as server, socket.socket() as peer, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        peer.connect(server.getsockname())
        second.setblocking(False)
        # The queue has one place: this one stays in the state SYN_SENT.
        second.connect_ex(server.getsockname())
        lookup.open()
        asked = lookup._ask(socket.AF_INET, second.getsockname(), server.getsockname())
        assert asked is UNKNOWN
        assert lookup._ask(socket.AF_INET, peer.getsockname(), server.getsockname()).uid is not None


def test_an_answer_that_was_not_read_hides_no_other(
    lookup: CallerLookup, server: socket.socket
) -> None:
    with socket.create_connection(server.getsockname()), server.accept()[0] as accepted:
        assert lookup.of(accepted) is not UNKNOWN
        netlink = lookup._netlink
        assert netlink is not None
        netlink.send(struct.pack("=IHHII", 16, 20, 1, 9999, 0))  # answered by an error
        assert lookup.of(accepted).uid == os.getuid()


@AS_ROOT
def test_a_socket_speaks_for_the_user_who_made_it(
    lookup: CallerLookup, server: socket.socket
) -> None:
    """A child that has become somebody else, and kept the socket, is let in as its maker."""
    with socket.create_connection(server.getsockname()) as peer, server.accept()[0] as accepted:
        keep = "import os, sys; os.setuid(12345); print('kept', flush=True); sys.stdin.read(1)"
        command = [sys.executable, "-I", "-c", keep]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[peer.fileno()]
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            peer.close()
            assert lookup.of(accepted).uid == os.getuid()
            child.communicate(b"x", timeout=10)


def test_an_ipv4_address_in_ipv6_clothes(lookup: CallerLookup, server: socket.socket) -> None:
    with socket.socket(socket.AF_INET6) as peer:
        peer.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        with server.accept()[0] as accepted:
            assert lookup.of(accepted).uid == os.getuid()


def test_another_loopback_address(lookup: CallerLookup, server: socket.socket) -> None:
    peer = socket.create_connection(server.getsockname(), source_address=("127.0.0.77", 0))
    with peer, server.accept()[0] as accepted:
        assert lookup.of(accepted).uid == os.getuid()


def test_the_process_behind_a_unix_socket(lookup: CallerLookup, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as peer:
        server.bind(str(tmp_path / "s"))
        server.listen()
        peer.connect(str(tmp_path / "s"))
        with server.accept()[0] as accepted:
            caller = lookup.of(accepted)
            assert (caller.uid, caller.pid) == (os.getuid(), os.getpid())
            assert caller.exe() == OURS
            assert caller.label("ide") == (
                f"uid:{os.getuid()} pid:{os.getpid()} token:ide exe:{OURS}"
            )


@pytest.mark.parametrize(
    ("caller", "label"),
    [
        (UNKNOWN, "unknown"),
        (Caller(1000), "uid:1000"),
        (Caller(1000, inode=5), "uid:1000"),
        (Caller(1000, 77, program="/bin/x y"), "uid:1000 pid:77 exe:/bin/x y"),
        (Caller(None, peer="spiffe://a/b"), "spiffe://a/b"),
    ],
)
def test_what_logs_call_a_caller(caller: Caller, label: str) -> None:
    assert caller.label() == label


def test_the_program_is_looked_for_once() -> None:
    caller = Caller(1000, inode=1, program="/bin/known")
    assert caller.exe() == "/bin/known"
    nobody = Caller(1000)
    assert nobody.exe() == ""
