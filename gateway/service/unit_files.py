"""Unit files on the disk: what is there, and what becomes of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError
from identity.atomic_file import write_atomic

#: Anybody may read how a service is started; there is no secret in it.
_MODE: Final = 0o644
_FOLDER_MODE: Final = 0o755


class NotOurs(GatewayError):
    """A file that this program didn't write."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """What becomes of a file; None stands for no file."""

    path: Path
    before: bytes | None
    after: bytes | None

    @property
    def is_one(self) -> bool:
        """Whether anything changes."""
        return self.before != self.after

    def difference(self) -> list[str]:
        """The change, for people."""
        old, new = (
            (data or b"").decode("utf-8", "replace").splitlines()
            for data in (self.before, self.after)
        )
        here = str(self.path)
        begin = os.devnull if self.before is None else here
        end = os.devnull if self.after is None else here
        return list(unified_diff(old, new, begin, end, lineterm=""))

    def apply(self) -> None:
        """Make it. Raises `GatewayError`."""
        try:
            if self.after is None:
                self.path.unlink(missing_ok=True)
                return
            self.path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            write_atomic(self.path, self.after, _MODE)
        except OSError as error:
            raise _failed("write", self.path, error) from error


def changes(
    folder: Path,
    wanted: Mapping[str, bytes | None],
    *,
    is_ours: Callable[[bytes], bool],
    force: bool = False,
) -> list[FileChange]:
    """What has to be done in `folder` so that it has the files wanted.

    Raises:
        NotOurs: one of them was written by somebody else, and `force` isn't given.
    """
    found = [FileChange(folder / name, _read(folder / name), data) for name, data in wanted.items()]
    for change in found:
        if change.is_one and change.before is not None and not (force or is_ours(change.before)):
            raise NotOurs(
                f"{change.path} wasn't written by this command",
                hint="choose another --name, or replace it with --force",
            )
    return [change for change in found if change.is_one]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _failed("read", path, error) from error


def _failed(what: str, path: Path, error: OSError) -> GatewayError:
    why = (error.strerror or str(error)).lower()
    if isinstance(error, PermissionError):
        hint = "the machine's services are root's to change: use sudo"
    else:
        hint = "look at its folder, and at the free space"
    return GatewayError(f"can't {what} {path}: {why}", hint=hint)
