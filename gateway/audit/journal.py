"""The audit journal: events are written, and on the disk, before what they tell of happens."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.audit.account import Accounts
from gateway.audit.actor import own_actor
from gateway.audit.chain_end import End, end_of_chain, end_of_file
from gateway.audit.ending import ending_of
from gateway.audit.event import BROKEN, CHECKPOINT, Actor, Event, Place, line_of, seq_of, torn
from gateway.audit.files import full_files, full_name, has_line, lines_of
from gateway.audit.group_commit import GroupCommit
from gateway.errors import GatewayError
from identity.private_folder import make_private

if TYPE_CHECKING:
    from gateway.audit.checkpoint import Signer

#: Why a line is missed that was signed.
GONE: Final = "it was signed once, and is not there as it was"
_LOCK_TIMEOUT_S: Final = 5.0
_LOCK_LOOK_S: Final = 0.002
_OPEN: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class AuditFailed(GatewayError):
    """An event could not be written down; what it was about must not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """A file is full at `file_bytes`; `files` full ones are kept (0: all), and more where a
    forwarder, whose `position` is the number of the last line that it passed on, lacks some of
    their lines. `too_many` is who then calls `Journal.prune`, with a key; without it the journal
    removes them by itself, which nobody signs.
    """

    file_bytes: int = 16 * 1024 * 1024
    files: int = 0
    position: Callable[[], int | None] = lambda: None
    too_many: Callable[[], None] | None = None


_Maker = Callable[[End], Event | None]


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
        self._known: tuple[tuple[int, int, int], End] | None = None
        self._entered: tuple[int, int] | None = None

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
        """Tell that something begins, and then how it ended: "ok", or as `ending_of` says of the
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
            outcome, why = ending_of(error)
            self.record(action, outcome=outcome, name=name, reason=why)
            raise
        self.write(Event(action=action, outcome="ok", name=name, reason=reason, more=more))

    def sign(self, signer: Signer) -> Place | None:
        """Vouch for all lines that are not vouched for; the place that was signed, or None where
        there was nothing new. Raises `AuditFailed`.
        """
        from gateway.audit.checkpoint import checkpoint

        def make(end: End) -> Event | None:
            if end.signed or end.place == Place():
                return None
            at = self._stamp()
            return checkpoint(signer, project=self.project, place=end.place, signed_at=at)

        return self._written(make, None)

    def has(self, place: Place) -> bool:
        """Whether the line that leads to `place` is there as it was. Raises `AuditFailed`."""
        try:
            with self._lock, self._locked():
                return place == Place() or has_line(self.path, place.head)
        except OSError as error:
            raise self._unusable("read", error) from error

    def look_back(self, reached: Place) -> bool:
        """Whether what was signed once, up to `reached`, is there as it was. If not, a line says so
        for good: whoever signs must look back first, or who replaced the journal had only to wait
        for the next signature. Raises `AuditFailed`.
        """
        if self.has(reached):
            return True
        self.record(BROKEN, outcome="failed", name=f"line {reached.seq}", reason=GONE)
        return False

    def keep(self, *, file_bytes: int, files: int) -> None:
        """Go on with these sizes and numbers of files."""
        self.keeping = replace(self.keeping, file_bytes=file_bytes, files=files)

    def prune(self, signer: Signer, signed: Place) -> None:
        """Remove the oldest of too many files, as far as they lie before `signed`, the place of
        which is kept elsewhere that it was signed. The key vouches for each removal, in a line that
        is on the disk before it: whoever is killed in between leaves a journal that verifies.

        Raises:
            AuditFailed: a line could not be written, or a file not be removed.
        """
        try:
            with self._lock, self._locked():
                self._prune(signer, signed)
        except OSError as error:
            raise self._unusable("write", error) from error

    def acknowledge(self, finding: Mapping[str, Any], reason: str, signer: Signer) -> Place:
        """Write that a person knows of a finding of `verify`; the place that was signed with it.
        Raises `AuditFailed`.
        """
        from gateway.audit.vouched import acknowledged

        actor = self._actor()
        told = {**finding, "reason": reason, "by": actor.user or str(actor.uid)}

        def make(end: End) -> Event:
            at = self._stamp()
            return acknowledged(told, signer, project=self.project, place=end.place, at=at)

        return self._written(make, None) or Place()

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
            hint="check the folder's mode and the free space; to keep the journal elsewhere, with "
            "XDG_STATE_HOME set to that folder: devwiz-gw secret move-state",
        )

    # -- one file --------------------------------------------------------------------------------

    def _append(self, make: _Maker, actor: Actor | None) -> Place | None:
        """The place that the new line follows, or None if none was made."""
        fd = os.open(self.path, _OPEN, 0o600)
        try:
            end = self._end(fd)
            if end.behind:
                end = self._write(fd, end, torn(end.behind), None)
            event = make(end)
            if event is None:
                return None
            self._write(fd, end, event, actor)
            return end.place
        finally:
            os.close(fd)

    def _write(self, fd: int, end: End, event: Event, actor: Actor | None) -> End:
        line = line_of(
            event,
            place=end.place,
            at=self._now(),
            project=self.project,
            actor=actor or replace(self._actor(), account=self._accounts.current()),
        )
        # A line cut short by a full disk stays visible as a broken one, on a line of its own.
        _write_whole(fd, line + b"\n" if end.whole else b"\n" + line + b"\n")
        after = End(end.place.after(line), signed=event.action == CHECKPOINT)
        self._known = (_mark(fd), after)
        return after

    def _end(self, fd: int) -> End:
        if self._known is not None and self._known[0] == _mark(fd):
            return self._known[1]
        return end_of_chain(fd, self.path)

    def _sync(self) -> None:
        fd = os.open(self.path, _OPEN, 0o600)
        try:
            os.fsync(fd)
            file = _mark(fd)[:2]
        finally:
            os.close(fd)
        if file != self._entered:
            # The disk has a new file's name only when the folder is there as well: fsync(2).
            _sync_folder(self.path.parent)
            self._entered = file

    # -- several files ---------------------------------------------------------------------------

    def _rotate_if_full(self) -> None:
        try:
            if self.path.stat().st_size < self.keeping.file_bytes:
                return
        except FileNotFoundError:
            return
        self._sync()
        first = next((seq for line in lines_of(self.path) if (seq := seq_of(line))), 0)
        # Somebody may have put back an older file: what is there already is evidence.
        while (full := self.path.with_name(full_name(first))).exists():
            first += 1
        self.path.rename(full)
        self._known = None
        _sync_folder(self.path.parent)
        if self.keeping.too_many is None:
            self._prune()
        elif 0 < self.keeping.files < len(full_files(self.path)):
            self.keeping.too_many()

    def _prune(self, signer: Signer | None = None, signed: Place | None = None) -> None:
        keeping = self.keeping
        position = keeping.position()
        full = full_files(self.path)
        for oldest in full[: -keeping.files] if keeping.files else ():
            through = end_of_file(oldest).place
            is_wanted = position is not None and position < through.seq
            if is_wanted or (signed is not None and signed.seq <= through.seq):
                return
            self._remove(oldest, through, signer)

    def _remove(self, oldest: Path, through: Place, signer: Signer | None) -> None:
        from gateway.audit.vouched import Removal, pruned

        removal = Removal(oldest.name, through, self.keeping.files)

        def make(end: End) -> Event:
            return pruned(removal, signer, project=self.project, place=end.place, at=self._stamp())

        self._append(make, None)
        self._sync()
        oldest.unlink()

    def _stamp(self) -> str:
        return self._now().astimezone(UTC).isoformat(timespec="seconds")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Held by one process at a time; it is given up when the holder dies."""
        make_private(self.path.parent)
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
