"""Listening sockets that the service manager opened and passed: sd_listen_fds(3).

They are held for the life of the process. A manager that passed a socket goes on to listen on it,
so nobody else could open it once more.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from gateway.config.model import Route, TcpAddress, UnixAddress
from gateway.errors import StartFailed

_FIRST: Final = 3
_PID: Final = "LISTEN_PID"
_COUNT: Final = "LISTEN_FDS"
_NAMES: Final = "LISTEN_FDNAMES"
_PIDFD: Final = "LISTEN_PIDFDID"
_MOST: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedSocket:
    """A listening stream socket, its name among those that were passed, and its address."""

    name: str
    socket: socket.socket
    bound: TcpAddress | UnixAddress

    def is_for(self, route: Route, address: TcpAddress | UnixAddress) -> bool:
        """Whether it listens where `route` shall, at this one of its addresses. Port 0 is any port,
        but only of a socket that has the route's name.
        """
        if isinstance(address, UnixAddress):
            return isinstance(self.bound, UnixAddress) and self.bound.path == address.path
        if isinstance(self.bound, UnixAddress):
            return False
        if ip_address(self.bound.host) != ip_address(address.host):
            return False
        return self.bound.port == address.port or (not address.port and self.name == route.name)


class PassedSockets:
    """All sockets that were passed. `close` closes them."""

    def __init__(self, sockets: Sequence[PassedSocket] = ()) -> None:
        self._sockets = tuple(sockets)

    @classmethod
    def taken_from(cls, env: MutableMapping[str, str], *, pid: int) -> Self:
        """What was passed to this process, by the environment. It is removed there, and no program
        that this process starts inherits the sockets.

        Raises:
            StartFailed: something else than listening stream sockets was passed.
        """
        whose, count, names = (env.pop(name, "") for name in (_PID, _COUNT, _NAMES))
        env.pop(_PIDFD, None)
        if whose != str(pid) or not (count.isascii() and count.isdigit()):
            return cls()
        numbers = range(_FIRST, _FIRST + min(int(count), _MOST))
        for number in numbers:
            with suppress(OSError):  # told below, with its name
                os.set_inheritable(number, False)
        named = [*names.split(":"), *("" for _ in numbers)]
        return cls([_passed(*item) for item in zip(numbers, named, strict=False)])

    def __bool__(self) -> bool:
        return bool(self._sockets)

    def claim(self, route: Route, address: TcpAddress | UnixAddress) -> PassedSocket | None:
        """The socket for this address of `route`, if one was passed; it stays open here."""
        found = (item for item in self._sockets if item.is_for(route, address))
        return next(found, None)

    def unclaimed(self, routes: Sequence[Route]) -> Iterator[str]:
        """What is wrong with each socket that no route listens on, or that isn't its route's."""
        by_name = {route.name: route for route in routes}
        taken: set[tuple[str, str]] = set()
        for item in self._sockets:
            named = by_name.get(item.name)
            places = [
                (route.name, str(address))
                for route in ([named] if named else routes)
                for address in route.listen
                if item.is_for(route, address)
            ]
            if not places:
                who = f"the route {item.name!r} doesn't listen" if named else "no route listens"
                yield f"{_told(item)}, where {who}"
            elif places[0] in taken:
                yield f"{_told(item)}, for the second time"
            taken.update(places[:1])

    def check(self, routes: Sequence[Route]) -> None:
        """See that each socket is a route's: callers would wait for ever at one that isn't.

        Raises:
            StartFailed: naming those that aren't.
        """
        if problems := list(self.unclaimed(routes)):
            raise StartFailed(
                "the service manager passed " + "; ".join(problems),
                hint="let ListenStream= of the socket unit and `listen` of the route say the same: "
                "`devwiz-gw service install --socket-activation` writes the unit anew",
            )

    def close(self) -> None:
        """Close our ends; the manager's stay open."""
        for item in self._sockets:
            item.socket.close()


def _told(item: PassedSocket) -> str:
    name = f" ({item.name!r})" if item.name else ""
    return f"a socket{name} that listens on {item.bound}"


def _passed(number: int, name: str) -> PassedSocket:
    try:
        item = socket.socket(fileno=number)
    except OSError:
        raise _refused(number, name, "is no socket") from None
    bound = _bound(item)
    if bound is None or not _listens(item):
        item.detach()  # it may be somebody's who still needs it
        raise _refused(number, name, "is no listening stream socket")
    item.setblocking(False)
    return PassedSocket(name=name, socket=item, bound=bound)


def _refused(number: int, name: str, why: str) -> StartFailed:
    return StartFailed(
        f"what the service manager passed as descriptor {number} ({name!r}) {why}",
        hint="a socket unit of the gateway has only ListenStream=, and Accept=no",
    )


def _listens(item: socket.socket) -> bool:
    try:
        return bool(item.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return False


def _bound(item: socket.socket) -> TcpAddress | UnixAddress | None:
    if item.type != socket.SOCK_STREAM:
        return None
    name = item.getsockname()
    if item.family in (socket.AF_INET, socket.AF_INET6):
        return TcpAddress(name[0], name[1])
    if item.family == socket.AF_UNIX and isinstance(name, str) and name.startswith("/"):
        return UnixAddress(Path(os.path.normpath(name)))
    return None
