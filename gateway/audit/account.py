"""Who is signed in at a project's services, for the journal: subjects, no tokens."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from identity.atomic_file import write_atomic
from identity.private_folder import make_private

_OPEN: Final = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
#: Far more than some sessions need.
_MOST_BYTES: Final = 64 * 1024


class Accounts:
    """The file beside a journal that says who is signed in, by the name of the token. It is the
    user's own, as the journal is, and believed as far.
    """

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_name("accounts.json")
        self._known: tuple[tuple[int, int], str] = ((0, 0), "")

    def current(self) -> str:
        """The subject that is signed in, several of them with commas; "" where nobody is. Cheap
        while nothing changes.
        """
        try:
            stat = os.lstat(self._path)
        except OSError:
            return ""
        mark = (stat.st_ino, stat.st_mtime_ns)
        if self._known[0] != mark:
            self._known = mark, ",".join(sorted(set(self._read().values())))
        return self._known[1]

    def sign_in(self, token: str, subject: str) -> None:
        """Note who began the session of this token. Raises `OSError`."""
        self._write(self._read() | {token: subject})

    def sign_out(self, token: str) -> None:
        """Note that the session of this token is over. Raises `OSError`."""
        known = self._read()
        if known.pop(token, None) is not None:
            self._write(known)

    def _read(self) -> dict[str, str]:
        try:
            with os.fdopen(os.open(self._path, _OPEN), "rb") as file:
                told = json.loads(file.read(_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(told, dict):
            return {}
        return {name: who for name, who in told.items() if isinstance(who, str) and who}

    def _write(self, known: dict[str, str]) -> None:
        make_private(self._path.parent)
        write_atomic(self._path, json.dumps(known).encode() + b"\n", 0o600)
