"""The listening sockets: opened once, kept while workers die and configurations change."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.config.model import Route, TcpAddress, UnixAddress
from gateway.errors import StartFailed
from gateway.service.passed import PassedSockets
from identity.private_folder import make_private

_LOG: Final = logging.getLogger(__name__)
_BACKLOG: Final = 4096
_SOCKET_MODE: Final = 0o600
_NO_IPV6: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_OTHER_PATH: Final = "look at the modes of its folders, or choose another path"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenListener:
    """One address that is being listened on.

    Attributes:
        id: names it for the workers, never used twice in the life of the supervisor.
        bound: the address with the port that the system chose where 0 was asked for.
        sockets: one for each worker; where the socket is a Unix one, or was passed to this process,
            all are the same one.
        inode: of a Unix socket's path that goes with it.
    """

    id: str
    bound: TcpAddress | UnixAddress
    sockets: tuple[socket.socket, ...]
    inode: tuple[int, int] | None = None

    @property
    def address(self) -> str:
        """For people and logs."""
        return str(self.bound)

    def close(self) -> None:
        """Stop listening; a Unix socket's path goes too, unless it is somebody else's by now."""
        if isinstance(self.bound, UnixAddress) and self.inode is not None:
            remove_own_socket(self.bound.path, self.inode)
        for item in self.sockets:
            item.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerChange:
    """What a new set of routes needs: `opened` is already listening, `closing` still is."""

    current: Mapping[Key, OpenListener]
    by_route: Mapping[str, tuple[OpenListener, ...]]
    opened: tuple[OpenListener, ...]
    closing: tuple[OpenListener, ...]

    def undo(self) -> None:
        """Close what was opened for this change; it can't be committed any more."""
        for listener in self.opened:
            listener.close()

    def finish(self) -> None:
        """Close what is no longer named, after the commit."""
        for listener in self.closing:
            listener.close()


class ListenerSet:
    """All open listeners.

    A change is made in steps, so that a failure changes nothing: `prepare`, `commit`, and
    `finish` on the change. All but `commit` touch the file system and belong in a thread.
    """

    def __init__(self, *, workers: int = 1, passed: PassedSockets | None = None) -> None:
        self._workers = workers
        self._passed = passed or PassedSockets()
        self._current: Mapping[Key, OpenListener] = {}
        self._count = 0
        self.by_route: Mapping[str, tuple[OpenListener, ...]] = {}

    @property
    def all(self) -> tuple[OpenListener, ...]:
        """Every open listener."""
        return tuple(self._current.values())

    def prepare(self, routes: Iterable[Route]) -> ListenerChange:
        """Open what `routes` need and is not open yet.

        Raises:
            StartFailed: an address can't be had; what was opened is closed again.
        """
        current: dict[Key, OpenListener] = {}
        by_route: dict[str, tuple[OpenListener, ...]] = {}
        opened: list[OpenListener] = []
        try:
            for route in routes:
                by_route[route.name] = self._for_route(route, current, opened)
        except BaseException:
            for listener in opened:
                listener.close()
            raise
        closing = [item for key, item in self._current.items() if key not in current]
        return ListenerChange(
            current=current, by_route=by_route, opened=tuple(opened), closing=tuple(closing)
        )

    def commit(self, change: ListenerChange) -> None:
        """Make `change` the truth."""
        self._current = change.current
        self.by_route = change.by_route

    def close(self) -> None:
        """Stop listening everywhere. `by_route` keeps saying where it was."""
        for listener in self.all:
            listener.close()
        self._current = {}

    def _for_route(
        self, route: Route, current: dict[Key, OpenListener], opened: list[OpenListener]
    ) -> tuple[OpenListener, ...]:
        listeners = []
        for address in route.listen:
            key = _key(route, address)
            listener = self._current.get(key) or self._open(route, address)
            if listener is None:
                continue
            if key not in self._current:
                opened.append(listener)
            current[key] = listener
            listeners.append(listener)
        if not listeners:
            raise StartFailed(
                f"route {route.name!r} has no address to listen on",
                hint="this machine has no IPv6 loopback: listen on 127.0.0.1 instead",
            )
        return tuple(listeners)

    def _open(self, route: Route, address: TcpAddress | UnixAddress) -> OpenListener | None:
        self._count += 1
        id_ = f"l{self._count}"
        if (found := self._passed.claim(route, address)) is not None:
            if isinstance(address, UnixAddress):
                _check_folder(address.path.parent)
            return OpenListener(
                id=id_, bound=found.bound, sockets=(found.socket.dup(),) * self._workers
            )
        if isinstance(address, UnixAddress):
            item, inode = open_unix_socket(address.path)
            sockets = (item,) * self._workers
            return OpenListener(id=id_, bound=address, sockets=sockets, inode=inode)
        try:
            sockets = _open_tcp(address, self._workers)
        except OSError as error:
            if ":" in address.host and error.errno in _NO_IPV6:
                _LOG.warning(
                    "no IPv6 loopback here: not listening on %s",
                    address,
                    extra={"route": route.name},
                )
                return None
            raise _tcp_failure(route, address, error) from error
        port = sockets[0].getsockname()[1]
        return OpenListener(id=id_, bound=TcpAddress(address.host, port), sockets=sockets)


def open_unix_socket(
    path: Path, *, mode: int = _SOCKET_MODE
) -> tuple[socket.socket, tuple[int, int]]:
    """Listen on a Unix socket with mode 0600, or `mode`, in a folder that nobody else can write to.

    A socket left behind by a program that is gone is replaced. The second value is for
    `remove_own_socket`. Blocks.

    Raises:
        StartFailed: somebody answers there, something else stands there, or the folder is unsafe.
    """
    _check_folder(path.parent)
    _clear_stale(path)
    item = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Not by a umask: it is the whole process's, and other threads make folders meanwhile.
        if sys.platform == "linux":
            os.fchmod(item.fileno(), mode)  # what `bind` makes has the socket's mode
        item.bind(str(path))
        if sys.platform != "linux" or mode != _SOCKET_MODE:
            path.chmod(mode)  # the folder is nobody else's, and our umask private
        item.listen(_BACKLOG)
        item.setblocking(False)
        status = path.lstat()
    except OSError as error:
        item.close()
        raise StartFailed(
            f"can't listen on {path}: {_reason(error)}", hint=_unix_hint(error)
        ) from error
    return item, (status.st_dev, status.st_ino)


def remove_own_socket(path: Path, inode: tuple[int, int]) -> None:
    """Remove the socket at `path` if it is still the one with this (device, inode)."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        if (status.st_dev, status.st_ino) == inode:
            path.unlink()


def _key(route: Route, address: TcpAddress | UnixAddress) -> Key:
    ephemeral = isinstance(address, TcpAddress) and address.port == 0
    return (str(address), route.name if ephemeral else "")


def _open_tcp(address: TcpAddress, workers: int) -> tuple[socket.socket, ...]:
    if workers == 1:
        return (_bind_tcp(address, shared=False),)
    # Once without SO_REUSEPORT: with it, a second gateway could take half of our connections.
    probe = _bind_tcp(address, shared=False)
    port = probe.getsockname()[1]
    probe.close()
    sockets: list[socket.socket] = []
    try:
        for _ in range(workers):
            sockets += [_bind_tcp(TcpAddress(address.host, port), shared=True)]
    except OSError:
        for item in sockets:
            item.close()
        raise
    return tuple(sockets)


def _bind_tcp(address: TcpAddress, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    item = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            item.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            item.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            item.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        item.bind((address.host, address.port))
        item.listen(_BACKLOG)
        item.setblocking(False)
    except OSError:
        item.close()
        raise
    return item


def _tcp_failure(route: Route, address: TcpAddress, error: OSError) -> StartFailed:
    find = f"ss -ltnp 'sport = :{address.port}'"
    hints = {
        errno.EADDRINUSE: "another program has it, perhaps another devwiz-gw: "
        f"find it with `{find}`, stop it or change the route's `listen`",
        errno.EACCES: "ports below 1024 need a privilege: choose a higher one",
    }
    return StartFailed(
        f"route {route.name!r} can't listen on {address}: {_reason(error)}",
        hint=hints.get(error.errno or 0, "change the route's `listen`"),
    )


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _unix_hint(error: OSError) -> str:
    if error.errno is None or error.errno == errno.ENAMETOOLONG:
        return "the path of a Unix socket has at most about 100 bytes: choose a shorter one"
    return "choose a folder that you can write to"


def _clear_stale(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StartFailed(f"can't look at {path}: {_reason(error)}", hint=_OTHER_PATH) from error
    if not stat.S_ISSOCK(status.st_mode):
        raise StartFailed(
            f"{path} exists and is not a socket", hint="remove it or choose another path"
        )
    if _answers(path):
        raise StartFailed(
            f"another program answers on {path}",
            hint="perhaps a devwiz-gw with the same configuration: `devwiz-gw status` shows it",
        )
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StartFailed(
            f"can't remove the stale {path}: {_reason(error)}", hint=_OTHER_PATH
        ) from error


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # A full backlog (EAGAIN) or a socket that we may not talk to: somebody's, and alive.
            return True
        return True


def _check_folder(folder: Path) -> None:
    try:
        make_private(folder)
        status = folder.stat()
    except OSError as error:
        raise StartFailed(
            f"can't use the folder {folder}: {_reason(error)}", hint=_OTHER_PATH
        ) from error
    owner_is_safe = status.st_uid in (os.geteuid(), 0)
    if owner_is_safe and (status.st_mode & stat.S_ISVTX or not _others_write(status)):
        return
    raise StartFailed(
        f"the folder {folder} is not safe for a socket: others can write to it",
        hint=f"`chmod go-w {folder}`, or choose a folder of your own",
    )


def _others_write(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_IWOTH:
        return True
    if not status.st_mode & stat.S_IWGRP or status.st_gid == 0:
        return False
    import grp
    import pwd

    try:
        # The group that many systems make for each user alone is no danger.
        return grp.getgrgid(status.st_gid).gr_name != pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return True
