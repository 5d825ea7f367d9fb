"""Whether the user of a system's service can reach what it needs: told before it fails there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from gateway.errors import GatewayError

_READ: Final = 4
_WRITE: Final = 2
_SEARCH: Final = 1


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """A user of this machine."""

    name: str
    uid: int
    groups: frozenset[int]

    @classmethod
    def named(cls, name: str) -> Self:
        """Raises `GatewayError` where there is no such user."""
        import pwd

        try:
            found = pwd.getpwnam(name)
        except KeyError:
            raise GatewayError(
                f"there is no user {name!r} for the service to run as",
                hint=f"useradd --system --home-dir /var/lib/{name} --shell /usr/sbin/nologin {name}"
                ", or name another one with --run-as",
            ) from None
        return cls(name, found.pw_uid, frozenset(os.getgrouplist(name, found.pw_gid)))

    def may_read(self, path: Path) -> bool:
        """Whether the file can be read, by its mode and those of the folders above."""
        return self._may(path, _READ)

    def may_write(self, folder: Path) -> bool:
        """Whether files can be made in the folder."""
        return self._may(folder, _WRITE | _SEARCH)

    def _may(self, path: Path, wanted: int) -> bool:
        if not self.uid:
            return True
        try:
            real = path.resolve(strict=True)
            above = all(self._has(folder.stat(), _SEARCH) for folder in real.parents)
            return above and self._has(real.stat(), wanted)
        except OSError:
            return False

    def _has(self, status: os.stat_result, wanted: int) -> bool:
        mode = stat.S_IMODE(status.st_mode)
        if status.st_uid == self.uid:
            mode >>= 6
        elif status.st_gid in self.groups:
            mode >>= 3
        return mode & wanted == wanted


def check_access(user: ServiceUser, *, reads: Iterable[Path], writes: Iterable[Path]) -> None:
    """See that the user can read these files and write to these folders.

    Raises:
        GatewayError: naming the first that it can't, and what to do.
    """
    for path in reads:
        if not user.may_read(path):
            raise GatewayError(
                f"the user {user.name} can't read {path}",
                hint="the service runs as that user: put it where the user can read it, "
                "such as below /etc or /opt, or give it to the user's group",
            )
    for folder in writes:
        if not user.may_write(folder):
            raise GatewayError(
                f"the user {user.name} can't write to {folder}",
                hint="let the configuration name a place below /run/devwiz-gw, /var/lib/devwiz-gw "
                "or /var/log/devwiz-gw, which systemd makes, such as [admin] socket = "
                '"unix:/run/devwiz-gw/admin.sock"; or make the folder: '
                f"install -d -m 0700 -o {user.name} {folder}",
            )
