"""Files that somebody else writes, read whole and looked at for changes.

Writers replace files in many ways: in place, by rename, by swapping a link to a whole folder
(`..data` in Kubernetes volumes). So files are looked at by their state, which also works where
change notifications don't; and what is read counts only if nothing moved meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from certs.errors import SourceDenied, SourceUnavailable

T = TypeVar("T")

MIB: Final = 1024 * 1024
_READ_TIMEOUT_S: Final = 10.0
_TRIES: Final = 5
# A file's times are some milliseconds coarse, so a second write within one of them doesn't show.
# Therefore content is compared at the first look after a read, and at the one an interval later.
_LOOKS_TO_READ: Final = 2


class WatchedFiles:
    """Some files that belong together. Used by one task at a time.

    None of them, nor the folders that they are in, may be writable by everybody, unless the folder
    is sticky like /tmp and the file in it belongs to this user or to root. Those among `private`
    must be readable by nobody but their owner and a group of this process (Kubernetes' fsGroup).

    Errors of both methods: `SourceUnavailable` for what may come by itself, `SourceDenied` for what
    a person must mend; either names the file.
    """

    def __init__(self, *paths: Path, private: Sequence[Path] = (), most_bytes: int = MIB) -> None:
        self._paths = paths
        self._private = frozenset(private)
        self._most_bytes = most_bytes
        # What the last `read` met; no digest when it came to nothing.
        self._seen_state: object = None
        self._seen_digest: bytes | None = None
        self._looks_to_read = 0

    def __repr__(self) -> str:
        return f"WatchedFiles({', '.join(map(str, self._paths))})"

    async def read(self) -> tuple[bytes, ...]:
        """The content of all of them, in order, as it is at one moment."""
        self._seen_digest = None
        self._seen_state = await self._in_thread(self._state)
        texts = await self._in_thread(self._read)
        self._seen_digest = _digest(texts)
        self._looks_to_read = _LOOKS_TO_READ
        return texts

    async def have_changed(self) -> bool:
        """Whether `read` would find something else than it did last; after a failure, anything
        new is worth a try: a mode that was mended, say.
        """
        state = await self._in_thread(self._state)
        if self._seen_digest is None:
            return state != self._seen_state
        if state == self._seen_state and not self._looks_to_read:
            return False
        self._looks_to_read = max(0, self._looks_to_read - 1)
        if _digest(await self._in_thread(self._read)) != self._seen_digest:
            return True
        self._seen_state = state
        return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                return await asyncio.to_thread(work)
        except TimeoutError as error:
            raise SourceUnavailable(
                f"{self._paths[0].parent} did not answer within {_READ_TIMEOUT_S:.0f} s",
                hint="is it on a network file system that is away?",
            ) from error

    # In a thread

    def _state(self) -> object:
        """A value that differs when a file, a folder's mode or a link on the way does."""
        return tuple(_state_of(path) for path in self._paths)

    def _read(self) -> tuple[bytes, ...]:
        for _ in range(_TRIES):
            before = self._state()
            texts = tuple(
                _read(path, is_key=path in self._private, most_bytes=self._most_bytes)
                for path in self._paths
            )
            if self._state() == before:
                return texts
        raise SourceUnavailable(
            f"{self._paths[0].parent} keeps changing while it is read",
            hint="does something rewrite the files in a loop?",
        )


def _digest(texts: Sequence[bytes]) -> bytes:
    return hashlib.sha256(b"".join(hashlib.sha256(text).digest() for text in texts)).digest()


def _state_of(path: Path) -> tuple[object, ...] | None:
    try:
        resolved = path.resolve(strict=True)
        facts = resolved.stat()
        folders = [folder.stat() for folder in (path.parent, resolved.parent)]
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return None
    return (
        resolved,
        facts.st_dev,
        facts.st_ino,
        facts.st_size,
        facts.st_mtime_ns,
        facts.st_ctime_ns,  # moves with the mode, too
        *((folder.st_mode, folder.st_uid) for folder in folders),
    )


def _read(path: Path, *, is_key: bool, most_bytes: int) -> bytes:
    try:
        _check_folders(path)
        with open(path, "rb", opener=_open_at_once) as file:
            _check_file(path, os.fstat(file.fileno()), is_key=is_key)
            data = file.read(most_bytes + 1)
    except FileNotFoundError as error:
        raise SourceUnavailable(
            f"{path} doesn't exist", hint="it is taken in as soon as somebody writes it"
        ) from error
    except PermissionError as error:
        raise SourceDenied(
            f"{path} is not readable", hint="give the gateway's user the right to read it"
        ) from error
    except (OSError, RuntimeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
        raise SourceUnavailable(f"{path} can't be read: {reason}") from error
    if len(data) > most_bytes:
        raise SourceDenied(
            f"{path} is larger than {most_bytes // MIB} MiB", hint="is it the right file?"
        )
    return data


def _open_at_once(path: str, flags: int) -> int:
    # A named pipe must not hang the thread that opens it; what was opened is checked to be a file.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_folders(path: Path) -> None:
    """Who can write to a folder can put another file there. Looked at on both sides of a link."""
    if os.name != "posix":
        return
    for entry in {path, path.resolve(strict=True)}:
        if entry.parent.stat().st_mode & stat.S_IWOTH and not _is_kept_by_sticky_bit(entry):
            raise SourceDenied(
                f"everybody may write to {entry.parent}",
                hint=f"chmod o-w {entry.parent}, or move the files to a folder of their own",
            )


def _is_kept_by_sticky_bit(entry: Path) -> bool:
    """In a sticky folder only the owners of the entry and of the folder can put another there. So
    Kubernetes mounts its volumes.
    """
    folder = entry.parent.stat()
    return bool(folder.st_mode & stat.S_ISVTX) and {folder.st_uid, entry.lstat().st_uid} <= {
        os.geteuid(),
        0,
    }


def _check_file(path: Path, facts: os.stat_result, *, is_key: bool) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise SourceDenied(f"{path} is not a regular file")
    if os.name != "posix":
        return
    if is_key and facts.st_mode & _forbidden_on_key(facts.st_gid):
        raise SourceDenied(
            f"{path} holds a private key and others than its owner may use it",
            hint=f"chmod 600 {path}",
        )
    if facts.st_mode & stat.S_IWOTH:
        raise SourceDenied(f"everybody may write to {path}", hint=f"chmod o-w {path}")


def _forbidden_on_key(group: int) -> int:
    forbidden = stat.S_IRWXG | stat.S_IRWXO
    if group in {os.getegid(), *os.getgroups()}:
        return forbidden & ~stat.S_IRGRP
    return forbidden
