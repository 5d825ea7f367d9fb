"""The readiness loop: who is ready, a coarse tick, nothing else."""

from __future__ import annotations

import select
import selectors
import time
from collections.abc import Callable
from typing import Final, Protocol

#: Interest and readiness bits, those of epoll(7) on every platform.
READ: Final = 0x001
WRITE: Final = 0x004
ERROR: Final = 0x008
HANGUP: Final = 0x010
PEER_CLOSED: Final = 0x2000

Callback = Callable[[int], None]


#: So many writers at most wait for the end of a turn: a long turn delays no answer much.
_MOST_WRITERS: Final = 64


class Writer(Protocol):
    """What has bytes to write before the loop waits again."""

    def write_held(self) -> None:
        """Write what was held back during this turn."""
        ...


class Poller(Protocol):
    """The operating system's readiness interface, in epoll's words."""

    def register(self, fd: int, mask: int) -> None:
        """Watch a descriptor."""
        ...

    def modify(self, fd: int, mask: int) -> None:
        """Change what is watched; ERROR and HANGUP always are."""
        ...

    def unregister(self, fd: int) -> None:
        """Stop watching; before the descriptor is closed."""
        ...

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        """Wait at most `timeout` seconds; (descriptor, readiness) pairs."""
        ...


class SelectorPoller:
    """kqueue, poll or select behind the same words, for systems without epoll.

    They don't report a peer's closing apart from readable data: it is then found by reading.
    """

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        self._selector = selector or selectors.DefaultSelector()

    @staticmethod
    def _events(mask: int) -> int:
        events = selectors.EVENT_READ if mask & READ else 0
        return events | (selectors.EVENT_WRITE if mask & WRITE else 0)

    def register(self, fd: int, mask: int) -> None:
        """Watch a descriptor; one with an empty mask is only remembered."""
        events = self._events(mask)
        if events:
            self._selector.register(fd, events)

    def modify(self, fd: int, mask: int) -> None:
        """Change what is watched."""
        self.unregister(fd)
        self.register(fd, mask)

    def unregister(self, fd: int) -> None:
        """Stop watching."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        """Wait and translate."""
        ready = self._selector.select(timeout)
        return [
            (
                key.fd,
                (READ if events & selectors.EVENT_READ else 0)
                | (WRITE if events & selectors.EVENT_WRITE else 0),
            )
            for key, events in ready
        ]


def system_poller() -> Poller:
    """The best poller here."""
    return select.epoll() if hasattr(select, "epoll") else SelectorPoller()


class Reactor:
    """Runs callbacks for ready descriptors until stopped.

    Attributes:
        now: monotonic seconds, taken once each turn of the loop: timestamps on the hot path cost
            nothing.
        turn: counts the turns.
        writers: whoever held bytes back in this turn, to be asked for them at its end. A peer that
            gets a byte is woken, and waking it costs more than the system call: what comes together
            is written together, and what comes in pieces is written once.
        watched: descriptors whose events come before all others of a turn: what happened to an
            idle connection is known before anybody is given it.
    """

    def __init__(self, poller: Poller, tick: Callable[[], None], *, tick_s: float = 1.0) -> None:
        self._poller = poller
        self._callbacks: dict[int, Callback] = {}
        self._gone: set[int] = set()
        self._tick = tick
        self._tick_s = tick_s
        self._running = False
        self.now = time.monotonic()
        self.turn = 0
        self.writers: list[Writer] = []
        self.watched: set[int] = set()

    def add(self, fd: int, mask: int, callback: Callback) -> None:
        """Call `callback(readiness)` whenever the descriptor is ready."""
        self._callbacks[fd] = callback
        self._poller.register(fd, mask)

    def modify(self, fd: int, mask: int) -> None:
        """Change what a descriptor is watched for."""
        self._poller.modify(fd, mask)

    def remove(self, fd: int) -> None:
        """Forget a descriptor; call it before closing."""
        self.watched.discard(fd)
        if self._callbacks.pop(fd, None) is not None:
            self._gone.add(fd)
            self._poller.unregister(fd)

    def stop(self) -> None:
        """Leave `run` after the current turn."""
        self._running = False

    def run(self) -> None:
        """Serve until `stop`. A callback that raises ends the process: workers are replaceable,
        a connection in an unknown state is not.
        """
        self._running = True
        poll = self._poller.poll
        callbacks = self._callbacks
        gone = self._gone
        watched = self.watched
        writers = self.writers
        monotonic = time.monotonic
        next_tick = monotonic() + self._tick_s
        while self._running:
            ready = poll(max(0.0, next_tick - self.now))
            now = self.now = monotonic()
            self.turn += 1
            gone.clear()
            for fd, readiness in ready:
                if fd in watched:
                    callbacks[fd](readiness)
            for fd, readiness in ready:
                # Absent when an earlier callback of this turn closed the descriptor; its number may
                # be another one's since, of whom nothing is known yet.
                callback = callbacks.get(fd)
                if callback is not None and fd not in gone:
                    callback(readiness)
                    if len(writers) >= _MOST_WRITERS:
                        self.write_held()
            if now >= next_tick:
                next_tick = now + self._tick_s
                self.write_held()
                self._tick()
            if writers:
                self.write_held()

    def write_held(self) -> None:
        """Have written what was held back, and what is held back because of that."""
        for writer in self.writers:
            writer.write_held()
        self.writers.clear()
