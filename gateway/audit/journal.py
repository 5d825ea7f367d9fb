"""The audit journal: events are written, and on the disk, before what they tell of happens."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.audit.account import Accounts
from gateway.audit.actor import own_actor
from gateway.audit.event import (
    CHECKPOINT,
    PRUNED,
    Actor,
    Event,
    Place,
    digest,
    fields_of,
    line_of,
    seq_of,
)
from gateway.audit.files import first_of, full_files, full_name, has_line, lines_of
from gateway.audit.group_commit import GroupCommit
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.audit.checkpoint import Signer

#: A line is far shorter.
_TAIL_BYTES: Final = 64 * 1024
_LOCK_TIMEOUT_S: Final = 5.0
_LOCK_LOOK_S: Final = 0.002
_OPEN: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class AuditFailed(GatewayError):
    """An event could not be written down; what it was about must not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """A file is full at `file_bytes`; `files` full ones are kept (0: all), less only where a
    forwarder, whose `position` is the number of the last line that it passed on, has all of them.
    """

    file_bytes: int = 16 * 1024 * 1024
    files: int = 0
    position: Callable[[], int | None] = lambda: None


@dataclass(frozen=True, slots=True)
class _End:
    """Where the chain stands; whether the last line ends as a line should, and is a checkpoint."""

    place: Place
    whole: bool = True
    signed: bool = False


_Maker = Callable[[_End], Event | None]


class Journal:
    """Appends events to files of mode 0600; several processes may do so at the same time, each from
    any of its threads.
    """

    def __init__(
        self,
        path: Path,
        *,
        project: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        actor: Callable[[], Actor] = own_actor,
        keeping: Keeping | None = None,
    ) -> None:
        """Nothing is opened before the first event."""
        self.path = path
        self.project = project
        self._now = now
        self._actor = actor
        self._accounts = Accounts(path)
        self.keeping = keeping or Keeping()
        self._lock = threading.Lock()
        self._commit = GroupCommit()
        self._known: tuple[tuple[int, int, int], _End] | None = None
        self._pruned_through = 0

    def record(
        self,
        action: str,
        *,
        outcome: str,
        name: str = "",
        reason: str = "",
        actor: Actor | None = None,
    ) -> None:
        """Write one event; when this returns it is on the disk. `actor` is who did it, if it was
        not this process. Texts are cut to `gateway.audit.event.MAX_TEXT` characters.

        Blocks for the time of a write to the disk, which calls of several threads share. Callable
        from any thread.

        Raises:
            AuditFailed: it could not be written.
        """
        self.write(Event(action=action, outcome=outcome, name=name, reason=reason), actor=actor)

    @contextmanager
    def around(
        self, action: str, *, name: str = "", reason: str = ""
    ) -> Iterator[dict[str, object]]:
        """Tell that something begins, and then how it ended: "ok", or "failed" with the kind of the
        exception that left the block. What the block puts into the dictionary is told of a good
        end.

        Raises:
            AuditFailed: it was not begun; or it is done, and its end could not be written.
        """
        more: dict[str, object] = {}
        self.record(action, outcome="begun", name=name, reason=reason)
        try:
            yield more
        except BaseException as error:
            kind = type(error).__name__
            self.record(action, outcome="failed", name=name, reason=kind)
            raise
        self.write(Event(action=action, outcome="ok", name=name, reason=reason, more=more))

    def sign(self, signer: Signer) -> Place | None:
        """Vouch for all lines that are not vouched for; the place that was signed, or None where
        there was nothing new. Raises `AuditFailed`.
        """
        from gateway.audit.checkpoint import checkpoint

        def make(end: _End) -> Event | None:
            if end.signed or end.place == Place():
                return None
            at = self._now().astimezone(UTC).isoformat(timespec="seconds")
            return checkpoint(signer, project=self.project, place=end.place, signed_at=at)

        return self._written(make, None)

    def has(self, place: Place) -> bool:
        """Whether the line that leads to `place` is there as it was, or was removed from here with
        an old file. Raises `AuditFailed`.
        """
        try:
            with self._lock, self._locked():
                return place.seq <= self._pruned_through or has_line(self.path, place.head)
        except OSError as error:
            raise self._unusable("read", error) from error

    def write(self, event: Event, *, actor: Actor | None = None) -> None:
        """See `record`."""
        self._written(lambda _end: event, actor)

    def _written(self, make: _Maker, actor: Actor | None) -> Place | None:
        try:
            with self._lock, self._locked():
                self._rotate_if_full()
                place = self._append(make, actor)
                ticket = self._commit.ticket()
            if place is not None:
                self._commit.wait(ticket, self._sync)
        except OSError as error:
            raise self._unusable("write", error) from error
        return place

    def _unusable(self, what: str, error: OSError) -> AuditFailed:
        return AuditFailed(
            f"can't {what} the audit journal {self.path}: {(error.strerror or str(error)).lower()}",
            hint="check the folder's mode and the free space, "
            "or set XDG_STATE_HOME to a folder that can be written to",
        )

    # -- one file --------------------------------------------------------------------------------

    def _append(self, make: _Maker, actor: Actor | None) -> Place | None:
        """The place that the new line follows, or None if none was made."""
        fd = os.open(self.path, _OPEN, 0o600)
        try:
            end = self._end(fd)
            event = make(end)
            if event is None:
                return None
            line = line_of(
                event,
                place=end.place,
                at=self._now(),
                project=self.project,
                actor=actor or replace(self._actor(), account=self._accounts.current()),
            )
            # A line cut short by a full disk stays visible as a broken one, on a line of its own.
            _write_whole(fd, line + b"\n" if end.whole else b"\n" + line + b"\n")
            after = _End(end.place.after(line), signed=event.action == CHECKPOINT)
            self._known = (_mark(fd), after)
            return end.place
        finally:
            os.close(fd)

    def _end(self, fd: int) -> _End:
        if self._known is not None and self._known[0] == _mark(fd):
            return self._known[1]
        end = _end_of(fd)
        if end == _End(Place()) and (full := full_files(self.path)):
            return replace(_end_of_file(full[-1]), whole=True)
        return end

    def _sync(self) -> None:
        fd = os.open(self.path, _OPEN, 0o600)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    # -- several files ---------------------------------------------------------------------------

    def _rotate_if_full(self) -> None:
        try:
            if self.path.stat().st_size < self.keeping.file_bytes:
                return
        except FileNotFoundError:
            return
        self._sync()
        first = next((seq for line in lines_of(self.path) if (seq := seq_of(line))), 0)
        self.path.rename(self.path.with_name(full_name(first)))
        self._known = None
        _sync_folder(self.path.parent)
        self._prune()

    def _prune(self) -> None:
        """Remove the oldest files; a line tells of it first, so that the rest still verifies."""
        full = full_files(self.path)
        position = self.keeping.position()
        while self.keeping.files and len(full) > self.keeping.files:
            oldest, *full = full
            place = _end_of_file(oldest).place
            if position is not None and position < place.seq:
                return
            told = {"pruned": {"through": place.seq, "head": place.head}}
            event = Event(action=PRUNED, outcome="ok", name=oldest.name, more=told)
            self._append(partial(_always, event), None)
            self._sync()
            oldest.unlink()
            self._pruned_through = place.seq

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Held by one process at a time; it is given up when the holder dies."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self.path.with_name("audit.lock"), _OPEN, 0o600)
        try:
            _take(fd)
            yield
        finally:
            os.close(fd)


def _take(fd: int) -> None:
    give_up = time.monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise TimeoutError("another process has held it for too long") from None
            time.sleep(_LOCK_LOOK_S)
        else:
            return


def _mark(fd: int) -> tuple[int, int, int]:
    """What a file is known by while nobody else writes to it."""
    stat = os.fstat(fd)
    return stat.st_dev, stat.st_ino, stat.st_size


def _end_of_file(path: Path) -> _End:
    """Where the chain stands at the end of a full file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = _end_of(fd)
    finally:
        os.close(fd)
    return end if end.place.seq else replace(end, place=Place(first_of(path), end.place.head))


def _end_of(fd: int) -> _End:
    size = os.fstat(fd).st_size
    tail = os.pread(fd, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    if not tail:
        return _End(Place())
    lines = tail.removesuffix(b"\n").split(b"\n")
    # Behind broken lines, of which a full disk can leave several, the last number counts on.
    seq = next((seq for line in reversed(lines) if (seq := seq_of(line))), 0)
    last = fields_of(lines[-1]) or {}
    return _End(
        Place(seq, digest(lines[-1])),
        whole=tail.endswith(b"\n"),
        signed=last.get("action") == CHECKPOINT,
    )


def _always(event: Event, _end: _End) -> Event:
    return event


def _write_whole(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
