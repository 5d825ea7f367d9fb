"""The records of rotations: one file each, in the project's state folder, without any value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError
from gateway.rotation.record import RecordDamaged, Rotation, decode, encode
from identity.atomic_file import write_atomic
from identity.private_folder import make_private

_FOLDER: Final = "rotations"
_MAX_BYTES: Final = 64 * 1024


class BookFailed(GatewayError):
    """A record can't be read or written; the rotation stops where it is."""


class Book:
    """The latest rotation of each table `[rotate.NAME]`, in `state`, the project's state folder."""

    def __init__(self, state: Path) -> None:
        self.folder = state / _FOLDER

    def read(self, name: str) -> Rotation | None:
        """The latest rotation, if there was one. Raises `BookFailed`."""
        path = self.path(name)
        try:
            with path.open("rb") as file:
                return _of(name, decode(file.read(_MAX_BYTES)))
        except FileNotFoundError:
            return None
        except RecordDamaged as error:
            raise BookFailed(
                f"the record {path} is damaged: {error}",
                hint="look at the provider for keys called devwiz-…, then remove the file",
            ) from error
        except OSError as error:
            raise BookFailed(
                f"the record {path} can't be read: {(error.strerror or '').lower()}",
                hint="check its owner and mode",
            ) from error

    def write(self, rotation: Rotation) -> None:
        """Put the record on the disk; the old one stays until the new one is whole there.

        Raises:
            BookFailed: it isn't, and the step that it tells of must not be relied on.
        """
        path = self.path(rotation.name)
        try:
            make_private(path.parent)
            write_atomic(path, encode(rotation), 0o600)
        except OSError as error:
            raise BookFailed(
                f"the record {path} can't be written: {(error.strerror or '').lower()}",
                hint="check the folder's mode and the free space",
            ) from error

    def all(self) -> Iterator[Rotation]:
        """Those that can be read."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                found = self.read(path.stem)
            except BookFailed:
                continue
            if found is not None:
                yield found

    def path(self, name: str) -> Path:
        """The file of one."""
        return self.folder / f"{name}.json"

    def lock(self, name: str) -> Path:
        """What whoever works on it holds."""
        return self.folder / f"{name}.lock"


def _of(name: str, found: Rotation) -> Rotation:
    """The record, if it is the one of this name: it is written back under its own."""
    if found.name != name:
        raise RecordDamaged("it is another rotation's")
    return found
