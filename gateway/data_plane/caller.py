"""Who is on the other end of a local connection, as the kernel tells it.

Linux: the owner of a loopback TCP connection's other end comes from NETLINK_SOCK_DIAG by the exact
pair of addresses, which needs no privilege (sock_diag(7)); of a Unix socket from SO_PEERCRED
(unix(7)). It is the user who made the socket: one that is handed on, or kept over a change of user,
speaks for its maker. Elsewhere nobody is known, and a local token has to prove the caller.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from gateway.local_programs import program_of_peer, program_of_socket, unmapped_uid

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_ALL_STATES: Final = 0xFFFFFFFF
_NO_COOKIE: Final = b"\xff" * 8
# The states of TCP (tcp_states.h) in which a process may have sent something: established, and its
# own side closed.
_SPEAKING: Final = frozenset((1, 4, 5))

# struct nlmsghdr; struct inet_diag_req_v2 up to its sockid; the sockid itself.
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBBBI")
_SOCKID: Final = struct.Struct("!HH16s16s")
_REQUEST_BYTES: Final = _HEADER.size + _REQUEST.size + 48
# struct inet_diag_msg: four bytes, the 48-byte sockid, then expires, rqueue, wqueue, uid, inode.
_ANSWER: Final = struct.Struct("=BBBB48sIIIII")
_PEERCRED: Final = struct.Struct("=iII")


@dataclass(slots=True)
class Caller:
    """Who is on the other end: a local process, or a remote workload at an ingress.

    `uid` is None when the kernel doesn't tell; of a Unix socket the `pid` is known and which
    `program` had it, of a TCP connection the `inode` of the caller's socket. A remote workload has
    its SPIFFE id as `peer`, the header line that tells the local agent of it as `evidence`, or the
    reason of a `refusal`; its certificate ends at `not_after`, a Unix time.
    """

    uid: int | None
    pid: int = 0
    inode: int = 0
    program: str | None = None
    peer: str = ""
    evidence: bytes = b""
    refusal: str = ""
    not_after: float = inf

    def label(self, token: str = "") -> str:
        """What logs call it: "uid:1000", with pid and program where they are known, or a workload's
        id; with the name of the token that it brought.
        """
        if self.peer:
            return self.peer
        who = "unknown" if self.uid is None else f"uid:{self.uid}"
        pid = f" pid:{self.pid}" if self.pid else ""
        brought = f" token:{token}" if token else ""
        program = f" exe:{self.program}" if self.program else ""
        return who + pid + brought + program

    def exe(self) -> str:
        """The path of the caller's program, "" when unknown. On TCP it takes milliseconds, once. A
        process can become another program and keep the socket, so a rule by program is backed by
        another.
        """
        if self.program is None:
            self.program = program_of_socket(self.inode) if self.inode else ""
        return self.program


UNKNOWN: Final = Caller(None)

#: As Python has it: a host and a port, and two more of IPv6.
_Address = tuple[Any, ...]


class CallerLookup:
    """Asks the kernel, over one netlink socket that is opened when it is first needed at latest."""

    def __init__(self) -> None:
        self._sequence = 0
        self._nobody = unmapped_uid()
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
        try:
            caller = _unix_caller(sock) if sock.family == socket.AF_UNIX else self._tcp_caller(sock)
        except OSError:
            return UNKNOWN
        # Every user that has no number in our user namespace is shown as the same one.
        return UNKNOWN if caller.uid == self._nobody else caller

    def _tcp_caller(self, sock: socket.socket) -> Caller:
        here, there = sock.getsockname(), sock.getpeername()
        if here[0] != there[0] and not _is_loopback(there[0]):
            return UNKNOWN
        self.open()
        caller = self._ask(sock.family, there, here)
        # Had the caller cut the connection meanwhile, its addresses could be another one's: then
        # this raises.
        sock.getpeername()
        return caller

    def _ask(self, family: int, source: _Address, destination: _Address) -> Caller:
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
        while True:  # an answer that was missed once would else stand before all others
            data = netlink.recv(8192)
            _length, kind, _flags, sequence, _pid = _HEADER.unpack_from(data)
            if sequence == self._sequence:
                return _owner(data, sockid[:4]) if kind == _SOCK_DIAG_BY_FAMILY else UNKNOWN


def _owner(answer: bytes, ports: bytes) -> Caller:
    """The owner of a socket that speaks. The kernel falls back to one that listens on the caller's
    port, and shows one that its process has closed as root's, without an inode.
    """
    _family, state, _timer, _retrans, sockid, *_numbers, uid, inode = _ANSWER.unpack_from(
        answer, _HEADER.size
    )
    if state not in _SPEAKING or sockid[:4] != ports or not inode:
        return UNKNOWN
    return Caller(uid, inode=inode)


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
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
    pid, uid, _gid = _PEERCRED.unpack(data)
    return Caller(uid, pid, program=program_of_peer(sock, pid))


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
