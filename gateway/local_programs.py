"""Which program is behind a local connection, as far as /proc tells this user; "" when it can't be
known. Linux.

A pid says who connected, not who has the number now: a process can connect, leave the socket to a
child and end, and another program can be started under its number. So the process is held by a
descriptor (pidfd_open(2), SO_PEERPIDFD of unix(7)) or by the socket while its program is read.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: Linux 6.5 and later (asm-generic/socket.h).
SO_PEERPIDFD: Final = 77


def program_of_peer(sock: socket.socket, pid: int, *, option: int = SO_PEERPIDFD) -> str:
    """The program of the process `pid` that connected a Unix socket, if it still runs.

    Before Linux 6.5 only the number is known: ask as soon as the connection is accepted.
    """
    try:
        held = _peer_descriptor(sock, pid, option)
    except OSError:
        return ""  # it ended, or is in a pid namespace that can't be seen from here
    try:
        program = _executable(pid)
        return program if _is_alive(held) else ""
    finally:
        os.close(held)


def _peer_descriptor(sock: socket.socket, pid: int, option: int) -> int:
    try:
        return sock.getsockopt(socket.SOL_SOCKET, option)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
    return os.pidfd_open(pid)


def _is_alive(held: int) -> bool:
    """Whether the number was the process's until now."""
    try:
        signal.pidfd_send_signal(held, 0)
    except PermissionError:
        return True  # somebody else's
    except OSError:
        return False
    return True


def program_of_socket(inode: int) -> str:
    """The program that has a socket open. It takes milliseconds: every process is looked at,
    because several may share the socket, and all of them have to be the same program.
    """
    wanted = f"socket:[{inode}]"
    programs: set[str] = set()
    try:
        for pid, entry in _holders(wanted):
            program = _executable(pid)
            if _link(entry) == wanted:  # else the number may be another process's by now
                programs.add(program)
    except OSError:
        return ""  # there is no /proc here, or no descriptor left to look at it
    return programs.pop() if len(programs) == 1 else ""


def _holders(wanted: str) -> Iterator[tuple[int, str]]:
    """The processes that have a socket open, each with the descriptor that leads to it."""
    for process in os.scandir("/proc"):
        if not process.name.isdecimal():
            continue
        try:
            with os.scandir(f"{process.path}/fd") as entries:
                found = [entry.path for entry in entries if _link(entry.path) == wanted]
        except OSError:
            continue  # it ended meanwhile, or is another user's
        if found:
            yield int(process.name), found[0]


def _executable(pid: int) -> str:
    return _link(f"/proc/{pid}/exe")


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - there are thousands of them
    except OSError:
        return ""


def unmapped_uid() -> int:
    """The number by which users without one in our user namespace are shown; -1 when all have one
    (user_namespaces(7)).
    """
    try:
        mapped = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
        shown = Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii")
    except OSError:
        return -1
    return -1 if mapped == ["0", "0", "4294967295"] else int(shown)
