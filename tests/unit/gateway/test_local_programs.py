"""`gateway.local_programs`, asked of the real kernel about real processes."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.local_programs import SO_PEERPIDFD, program_of_peer, program_of_socket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells on Linux only")

OURS = str(Path("/proc/self/exe").readlink()) if sys.platform == "linux" else ""
LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
#: No kernel has this option: what a kernel before 6.5 answers to SO_PEERPIDFD.
NO_OPTION = 9999
# Connects, leaves the socket to a child, and ends.
HAND_ON = """
import os, socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
if os.fork() == 0:
    sys.stdin.read(1)
"""
BY_OPTION = pytest.mark.parametrize("option", [SO_PEERPIDFD, NO_OPTION])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        server.settimeout(10)
        yield server


@BY_OPTION
def test_the_program_of_a_peer_that_runs(server: socket.socket, option: int) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(server.getsockname())
        with server.accept()[0] as accepted:
            assert program_of_peer(accepted, os.getpid(), option=option) == OURS


@BY_OPTION
def test_a_peer_that_ended_has_no_program(server: socket.socket, option: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-I", "-c", HAND_ON, server.getsockname()], stdin=subprocess.PIPE
    ) as first:
        with server.accept()[0] as accepted:
            first.wait(10)
            assert program_of_peer(accepted, first.pid, option=option) == ""
        first.communicate(b"x", timeout=10)


@pytest.mark.skipif(not os.access(LAST_PID, os.W_OK), reason="pids can't be chosen here")
def test_another_process_under_the_same_number_is_not_the_peer(server: socket.socket) -> None:
    with subprocess.Popen(
        [sys.executable, "-I", "-c", HAND_ON, server.getsockname()], stdin=subprocess.PIPE
    ) as first:
        with server.accept()[0] as accepted:
            first.wait(10)
            for _ in range(100):
                LAST_PID.write_text(str(first.pid - 1))
                with subprocess.Popen(["sleep", "60"]) as impostor:
                    reused = impostor.pid == first.pid
                    told = program_of_peer(accepted, first.pid)
                    impostor.kill()
                if reused:
                    break
            else:
                pytest.skip("the number was always taken")
            assert told == ""
        first.communicate(b"x", timeout=10)


def inode_of(sock: socket.socket) -> int:
    return os.fstat(sock.fileno()).st_ino


def test_the_program_that_has_a_socket_open() -> None:
    with socket.socket() as sock:
        inode = inode_of(sock)
        assert program_of_socket(inode) == OURS
    assert program_of_socket(inode) == ""


@pytest.mark.parametrize(
    ("command", "known"),
    [([sys.executable, "-I", "-c", "input()"], True), (["cat"], False)],
    ids=["the same program", "another one"],
)
def test_a_shared_socket_is_its_programs_if_there_is_only_one(
    command: list[str], known: bool
) -> None:
    with (
        socket.socket() as sock,
        subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[sock.fileno()]) as child,
    ):
        inode = inode_of(sock)
        assert program_of_socket(inode) == (OURS if known else "")
        sock.close()
        assert program_of_socket(inode) == str(Path(f"/proc/{child.pid}/exe").readlink())
        child.communicate(b"\n", timeout=10)


def test_without_a_look_at_proc_the_program_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: str) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(os, "scandir", fail)
    assert program_of_socket(1) == ""
