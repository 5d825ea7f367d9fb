"""What a service manager has to know of a service, whatever it is written in. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.config.model import TcpAddress, UnixAddress

#: What unit files, labels and folders take without quoting.
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """A service.

    Attributes:
        name: of its unit.
        source: the file or folder that it was made from.
        command: what starts it; `reload` makes the running one read its configuration again.
        run_as: the user of a system's service; "" for a service of the user's own.
        environment: what is set in its environment.
        uses: every path that it needs, whether or not it writes there.
        writes: folders that it writes to.
        stop_s: how long its end takes at most.
        watchdog_s: within which time it says that it lives; 0 if it doesn't.
        starts_programs: whether it runs programs of the user's, of which nothing is known.
        sees_users: whether it tells other users of this machine apart.
        listens: where it listens; a socket unit can do that for it.
        unlock: what unlocks the vault that it reads, by the passphrase in the encrypted credential
            file `credential`.
    """

    name: str
    title: str
    source: Path
    command: tuple[str, ...]
    reload: tuple[str, ...] = ()
    run_as: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    uses: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    stop_s: float = 90.0
    watchdog_s: float = 0.0
    starts_programs: bool = False
    sees_users: bool = False
    listens: tuple[TcpAddress | UnixAddress, ...] = ()
    unlock: tuple[str, ...] = ()
    credential: Path | None = None

    @property
    def is_system(self) -> bool:
        """Whether it is the machine's and not a user's."""
        return bool(self.run_as)

    def uses_below(self, *folders: str) -> bool:
        """Whether any path that it needs is in one of the folders."""
        every = (*self.uses, *self.writes, *((self.credential,) if self.credential else ()))
        return any(path.is_relative_to(folder) for path in every for folder in folders)
