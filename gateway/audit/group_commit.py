"""One write to the disk for all who wait for one."""

from __future__ import annotations

import threading
from collections.abc import Callable


class GroupCommit:
    """Whoever has written takes a `ticket` and waits until a flush that began after it has ended.
    The first who finds no flush under way makes one, for itself and for all who came meanwhile.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._written = 0
        self._flushed = 0
        self._flushing = False

    def ticket(self) -> int:
        """The number of what was written just now."""
        with self._changed:
            self._written += 1
            return self._written

    def wait(self, ticket: int, flush: Callable[[], None]) -> None:
        """Return when what has this ticket is on the disk. Raises what `flush` raises."""
        while self._must_flush(ticket):
            with self._changed:
                through = self._written
            try:
                flush()
            except BaseException:
                self._done(self._flushed)
                raise
            self._done(through)

    def _must_flush(self, ticket: int) -> bool:
        with self._changed:
            while self._flushing and self._flushed < ticket:
                self._changed.wait()
            if self._flushed >= ticket:
                return False
            self._flushing = True
            return True

    def _done(self, through: int) -> None:
        with self._changed:
            self._flushing = False
            self._flushed = max(self._flushed, through)
            self._changed.notify_all()
