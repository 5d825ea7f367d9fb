"""How the system finds out that a peer's machine is gone without a word."""

from __future__ import annotations

import socket
from typing import Final

_IDLE_S: Final = 30
_EVERY_S: Final = 10
_TRIES: Final = 3
#: What the system does by itself (tcp(7), tcp_retries2) needs no help.
_OWN_LIMIT_S: Final = 900.0
#: After so long without an answer it is asked whether the peer's machine heard the question.
HEARD_AFTER_S: Final = 30.0
# linux/tcp.h, struct tcp_info: the third byte counts repetitions that nobody acknowledged.
_REPETITIONS: Final = 2
_MOST_REPETITIONS: Final = 3


def keep_alive(sock: socket.socket) -> None:
    """Have a connection that is silent end about a minute after its peer's machine is gone.

    Set on a listening socket it holds for what is accepted.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _EVERY_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _TRIES)


def give_up_after(sock: socket.socket, seconds: float) -> None:
    """Have a connection end when its peer acknowledges nothing for so long (RFC 5482): where bytes
    are on their way no keep-alive is sent, and the system would try for a quarter of an hour.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT") and sock.family != socket.AF_UNIX:
        limit = int(seconds * 1000) if seconds < _OWN_LIMIT_S else 0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit)


def is_unheard(sock: socket.socket) -> bool:
    """Whether what was sent was repeated and repeated, and isn't acknowledged. A machine that is
    there acknowledges, however long its programs take to read.
    """
    if not hasattr(socket, "TCP_INFO") or sock.family == socket.AF_UNIX:
        return False
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _REPETITIONS + 1)
    return info[_REPETITIONS] >= _MOST_REPETITIONS
