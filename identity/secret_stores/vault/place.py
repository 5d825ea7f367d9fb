"""Where a vault is on the disk, and that nobody else can get at it there."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from identity.errors import StoreUnavailable, VaultDamaged, VaultMissing

_PROGRAM: Final = "devwiz-gw"
_PRIVATE: Final = 0o077
#: Far more than secrets need; a larger file is not read into memory.
MAX_FILE_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a vault, and the folder outside of it in which its last state is marked."""

    folder: Path
    state: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "vault.db"

    @property
    def lock(self) -> Path:
        """Held by whoever changes the database."""
        return self.folder / "vault.lock"

    @property
    def socket(self) -> Path:
        """Where the process that holds the unlocked key listens."""
        return self.folder / "vault.sock"

    @property
    def holder(self) -> Path:
        """Locked by the process that holds the unlocked key."""
        return self.folder / "vault.holder"

    def mark(self, vault_id: bytes) -> Path:
        """The file outside with the mark of the vault's last state."""
        return self.state / f"{vault_id.hex()}.mark"

    @property
    def attempts(self) -> Path:
        """The file outside that counts attempts to unlock."""
        return self.state / "attempts"


def find_place(folder: Path | None, env: Mapping[str, str]) -> Place:
    """The vault in `folder`, or the user's own.

    The user's own is `$XDG_DATA_HOME/devwiz-gw/vault`, its state `$XDG_STATE_HOME/devwiz-gw/vault`.
    """
    home = Path(env.get("HOME") or Path.home())
    own = _base(env, "XDG_DATA_HOME", home / ".local" / "share") / _PROGRAM / "vault"
    state = _base(env, "XDG_STATE_HOME", home / ".local" / "state") / _PROGRAM / "vault"
    return Place(own if folder is None else folder, state)


def _base(env: Mapping[str, str], name: str, otherwise: Path) -> Path:
    # The XDG specification says that a relative value is to be ignored.
    value = Path(env.get(name, ""))
    return value if value.is_absolute() else otherwise


def check_private(place: Place) -> None:
    """See that the vault is there, is ours, and is nobody else's to read or change.

    Raises:
        VaultMissing: there is no vault.
        StoreUnavailable: its folder or file is a link, another user's, or open to others.
        VaultDamaged: its file is too large to be one.
    """
    check_folder(place.folder)
    found = _look(place.database, stat.S_ISREG, "file")
    if found.st_nlink != 1:
        raise StoreUnavailable(
            f"{place.database} has another name as well",
            hint="a hard link shares it with a folder that others may read; remove the other name",
        )
    if found.st_size > MAX_FILE_BYTES:
        raise VaultDamaged(f"{place.database} is too large to be a vault", hint=RESTORE)


#: What to do about a vault that can't be read; nothing is ever removed or written anew.
RESTORE: Final = (
    "nothing was changed; keep the file, and put a backup in its place, "
    "then run 'devwiz-gw vault check'"
)


def check_folder(folder: Path) -> None:
    """See that `folder` is a folder, ours, and private. Raises as `check_private` does."""
    _look(folder, stat.S_ISDIR, "folder")


def _look(path: Path, is_kind: Callable[[int], bool], kind: str) -> os.stat_result:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        raise VaultMissing(
            f"there is no vault: {path} is not there", hint="run: devwiz-gw vault init"
        ) from None
    except OSError as error:
        raise StoreUnavailable(
            f"the vault can't be reached: {path}: {(error.strerror or '').lower()}",
            hint="look at the owner and mode of its folder",
        ) from error
    if not is_kind(found.st_mode):
        raise StoreUnavailable(
            f"{path} is not a plain {kind}", hint="links are not followed; put the real one there"
        )
    if found.st_uid != os.geteuid():
        raise StoreUnavailable(
            f"{path} belongs to another user (uid {found.st_uid})",
            hint="a vault is used by its owner only",
        )
    if found.st_mode & _PRIVATE:
        raise StoreUnavailable(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"run: chmod go= {path}",
        )
    return found


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Held by one changer at a time, until the mark is written; given up when it dies."""
    check_folder(place.folder)
    try:
        fd = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"the vault can't be changed: {place.lock}: {(error.strerror or '').lower()}",
            hint="look at the owner and mode of its folder, and at the free space",
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
