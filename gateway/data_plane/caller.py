"""Who is on the other end of a local connection, as the kernel tells it.

Linux: the owner of a loopback TCP connection's other end comes from NETLINK_SOCK_DIAG by the exact
pair of addresses, which needs no privilege (sock_diag(7)); of a Unix socket from SO_PEERCRED
(unix(7)). Elsewhere nobody is known, and a local token has to prove the caller.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_ALL_STATES: Final = 0xFFFFFFFF
_NO_COOKIE: Final = b"\xff" * 8
_TIME_WAIT: Final = 6

# struct nlmsghdr; struct inet_diag_req_v2 up to its sockid; the sockid itself.
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBBBI")
_SOCKID: Final = struct.Struct("!HH16s16s")
_REQUEST_BYTES: Final = _HEADER.size + _REQUEST.size + 48
# struct inet_diag_msg: four bytes, the 48-byte sockid, then expires, rqueue, wqueue, uid, inode.
_ANSWER: Final = struct.Struct("=BBBB48sIIIII")
_PEERCRED: Final = struct.Struct("=iII")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is on the other end: a local process, or a remote workload at an ingress.

    `uid` is None when the kernel doesn't tell; of a Unix socket the `pid` is known, of a TCP
    connection the `inode` of the caller's socket. A remote workload has its SPIFFE id as `peer`,
    the header line that tells the local agent of it as `evidence`, or the reason of a `refusal`;
    its certificate ends at `not_after`, a Unix time.
    """

    uid: int | None
    pid: int = 0
    inode: int = 0
    peer: str = ""
    evidence: bytes = b""
    refusal: str = ""
    not_after: float = inf

    @property
    def label(self) -> str:
        """What logs call it: "uid:1000", with the pid where that is known, or a workload's id."""
        if self.peer or self.uid is None:
            return self.peer or "unknown"
        return f"uid:{self.uid} pid:{self.pid}" if self.pid else f"uid:{self.uid}"

    def exe(self) -> str:
        """The path of the caller's program, "" when unknown. It takes milliseconds on TCP. Another
        process can take over a pid or share a socket, so a rule by program is backed by another.
        """
        pid = self.pid or _holder_of(self.inode)
        try:
            return str(Path(f"/proc/{pid}/exe").readlink()) if pid else ""
        except OSError:
            return ""


UNKNOWN: Final = Caller(None)


class CallerLookup:
    """Asks the kernel, over one netlink socket that is opened when it is first needed at latest."""

    def __init__(self) -> None:
        self._sequence = 0
        self._netlink: socket.socket | None = None

    def open(self) -> None:
        """Open the netlink socket while there is a descriptor for it; a failure shows later."""
        if self._netlink is None:
            self._netlink = _open_netlink()

    def close(self) -> None:
        """Close the netlink socket."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def of(self, sock: socket.socket) -> Caller:
        """The caller of an accepted connection; `UNKNOWN` when it is remote or can't be known."""
        if sock.family == socket.AF_UNIX:
            return _unix_caller(sock)
        try:
            here, there = sock.getsockname(), sock.getpeername()
        except OSError:
            return UNKNOWN
        if here[0] != there[0] and not _is_loopback(there[0]):
            return UNKNOWN
        self.open()
        try:
            return self._ask(sock.family, there, here)
        except OSError:
            return UNKNOWN

    def _ask(self, family: int, source: tuple[str, int], destination: tuple[str, int]) -> Caller:
        netlink = self._netlink
        if netlink is None:
            return UNKNOWN
        self._sequence = (self._sequence + 1) & 0x7FFFFFFF
        sockid = _SOCKID.pack(
            source[1],
            destination[1],
            socket.inet_pton(family, source[0]).ljust(16, b"\0"),
            socket.inet_pton(family, destination[0]).ljust(16, b"\0"),
        )
        netlink.send(
            _HEADER.pack(_REQUEST_BYTES, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, self._sequence, 0)
            + _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _ALL_STATES)
            + sockid
            + bytes(4)
            + _NO_COOKIE
        )
        return self._answer(netlink.recv(8192))

    def _answer(self, data: bytes) -> Caller:
        if len(data) < _HEADER.size + _ANSWER.size:
            return UNKNOWN
        _length, kind, _flags, sequence, _pid = _HEADER.unpack_from(data)
        if kind != _SOCK_DIAG_BY_FAMILY or sequence != self._sequence:
            return UNKNOWN
        answer = _ANSWER.unpack_from(data, _HEADER.size)
        state, uid, inode = answer[1], answer[8], answer[9]
        # A socket that its process has closed is shown as root's, without an inode.
        if state == _TIME_WAIT or not inode:
            return UNKNOWN
        return Caller(uid, inode=inode)


def _holder_of(inode: int) -> int:
    """The first process that has the socket open, as far as this user may look; else 0."""
    if not inode:
        return 0
    wanted = f"socket:[{inode}]"
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(entry.readlink()) == wanted for entry in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue  # it ended meanwhile, or is another user's
    return 0


def _open_netlink() -> socket.socket | None:
    if not hasattr(socket, "AF_NETLINK"):
        return None
    try:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG)
        # The kernel answers within the call to send; without an answer nothing is to be had.
        netlink.setblocking(False)
        netlink.connect((0, 0))
    except OSError:
        return None
    return netlink


def _unix_caller(sock: socket.socket) -> Caller:
    if not hasattr(socket, "SO_PEERCRED"):
        return UNKNOWN
    try:
        data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
    except OSError:
        return UNKNOWN
    pid, uid, _gid = _PEERCRED.unpack(data)
    return Caller(uid, pid)


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
