"""Whether a secret that a program was given has another value by now: looked up in the records."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from gateway.rotation.book import Book
from gateway.rotation.record import version_in_use


class Watch:
    """Follows the rotations of `secrets`. Looking costs a few `stat` while nothing changes."""

    def __init__(self, state: Path, secrets: Collection[str]) -> None:
        self._book = Book(state)
        self._secrets = frozenset(secrets)
        self._seen = self._look()
        self._versions = self._read()

    def changed(self) -> list[str]:
        """The secrets that were switched since the last call."""
        seen = self._look()
        if seen == self._seen:
            return []
        self._seen = seen
        before, self._versions = self._versions, self._read()
        return [name for name, version in self._versions.items() if before.get(name) != version]

    def _read(self) -> dict[str, int]:
        return {
            rotation.secret: version
            for rotation in self._book.all()
            if rotation.secret in self._secrets and (version := version_in_use(rotation))
        }

    def _look(self) -> list[tuple[str, int, int]]:
        """What tells that a record was replaced: each is a new file."""
        found = []
        for path in sorted(self._book.folder.glob("*.json")):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found.append((path.name, stat.st_ino, stat.st_mtime_ns))
        return found
