"""Sessions of `devwiz-gw envrc`: each is a file, there as long as a process holds its lock.

The file is the session's journal too: it is on the disk before an `.envrc` with values is, so that
whoever comes after a crash knows what to remove. It is in the state folder and not in memory: it
has to outlive the machine's going down.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from identity.private_folder import make_private
from identity.strict_json import strict_value

ENVRC: Final = ".envrc"
_FRESH: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_LOCK: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_PAUSE_S: Final = 0.05
#: How long a process that holds a session may take to end it.
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a folder's shells get, and until when.

    Attributes:
        only: of the manifest's variables these; all where it is empty.
        until: its end, in seconds since 1970.
        head: the first line of the `.envrc` with values; "" where there is none.
        approval: direnv's note that the `.envrc` with values is approved.
    """

    id: str
    folder: str
    config: str
    project: str
    only: tuple[str, ...]
    until: float
    head: str = ""
    approval: str = ""

    @property
    def envrc(self) -> Path:
        """The folder's `.envrc`."""
        return Path(self.folder) / ENVRC

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The session that a file tells of; None where there is none, or half of one."""
        try:
            raw = strict_value(path.read_bytes())
            return cls(**{**raw, "only": tuple(raw["only"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None


class Lock:
    """A session's lock, held until each process has closed it that has this descriptor.

    Its file stays when the session ends. It tells who holds it, and which time its files had last.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def take(self) -> None:
        """Note this process as the one that holds the session."""
        self._note(os.getpid(), _noted(self.fd)[1])

    def stamp(self, now: float) -> int:
        """A time for the session's files that none of them had before, in whole seconds: direnv
        knows by nothing else that a file has changed.
        """
        fresh = max(int(now), _noted(self.fd)[1] + 1)
        self._note(0, fresh)
        return fresh

    def close(self) -> None:
        """Give up this process's hold."""
        os.close(self.fd)

    def _note(self, pid: int, stamp: int) -> None:
        text = f"{pid} {stamp}\n".encode()
        os.pwrite(self.fd, text, 0)
        os.ftruncate(self.fd, len(text))


class Sessions:
    """All sessions of a user, in one private folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, session_id: str) -> Path:
        """The file that is there while the session is."""
        return self._folder / f"{session_id}.json"

    def all(self) -> list[Session]:
        """Those that last."""
        found = (Session.read(path) for path in sorted(self._folder.glob("*.json")))
        return [session for session in found if session is not None and self.is_held(session.id)]

    def is_held(self, session_id: str) -> bool:
        """Whether a process keeps the session."""
        with self._tried(session_id) as lock:
            return lock is None

    def lock(self, session_id: str, *, patience_s: float = 0.0) -> Lock | None:
        """The session's lock, or None while another process holds it."""
        make_private(self._folder)
        fd = os.open(self._folder / f"{session_id}.lock", _LOCK, 0o600)
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(fd)
                    return None
                time.sleep(_PAUSE_S)
            else:
                return Lock(fd)

    def write(self, session: Session, lock: Lock, *, now: float) -> int:
        """Begin the session, whose lock is held; the time that its files are to have."""
        stamp = lock.stamp(now)
        fresh = self._folder / f"{session.id}.new"
        fresh.unlink(missing_ok=True)
        write_fresh(fresh, json.dumps(asdict(session)), stamp=stamp)
        fresh.replace(self.file(session.id))
        _sync_folder(self._folder)
        return stamp

    def end(self, session_id: str) -> Session | None:
        """End a session and remove what it made; None if it had ended. Only who holds its lock
        may call this, or has waited for it.
        """
        file = self.file(session_id)
        session = Session.read(file)
        if session is not None and session.head:
            remove_known(session.envrc, session.head)
            if session.approval:
                Path(session.approval).unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        return session

    def stop(self, session_id: str) -> None:
        """Have the process that holds a session end it."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with self._tried(session_id) as lock:
                if lock is not None:
                    self.end(session_id)
                    return
                self._tell_to_end(session_id)
            time.sleep(_PAUSE_S)
        self.end(session_id)

    def sweep(self) -> list[Session]:
        """End the sessions whose process is gone."""
        ended = []
        for file in self._folder.glob("*.json"):
            with self._tried(file.stem) as lock:
                if lock is not None and (session := self.end(file.stem)) is not None:
                    ended.append(session)
        return ended

    @contextlib.contextmanager
    def _tried(self, session_id: str) -> Iterator[Lock | None]:
        lock = self.lock(session_id)
        try:
            yield lock
        finally:
            if lock is not None:
                lock.close()

    def _tell_to_end(self, session_id: str) -> None:
        fd = os.open(self._folder / f"{session_id}.lock", os.O_RDONLY | os.O_CLOEXEC)
        try:
            pid = _noted(fd)[0]
        finally:
            os.close(fd)
        if pid > 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)


def write_fresh(path: Path, text: str, *, stamp: int) -> None:
    """Write a private file that isn't there yet, onto the disk. Raises `FileExistsError`."""
    fd = os.open(path, _FRESH, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        os.fchmod(fd, 0o600)
        file.write(text)
        file.flush()
        os.utime(fd, (stamp, stamp))
        os.fsync(fd)


def remove_known(path: Path, head: str) -> bool:
    """Remove a file that begins with `head`, or is a part of it that a crash left; no other one."""
    known = head.encode()
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(fd, "rb") as file:
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        found = file.read(len(known)) if is_file else b"other"
    if not known.startswith(found):
        return False
    path.unlink(missing_ok=True)
    return True


def _noted(fd: int) -> tuple[int, int]:
    """Which process holds it, or 0, and its last stamp."""
    try:
        pid, stamp = os.pread(fd, 64, 0).split()
        return int(pid), int(stamp)
    except ValueError:
        return 0, 0


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
