"""What both ends of an exchange share: gathered and buffered writing, pausing, and a deadline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import Final

from gateway.data_plane.reactor import ERROR, HANGUP, PEER_CLOSED, READ, WRITE, Reactor
from gateway.data_plane.stream import ConnectionLost, Stream

#: Pieces are gathered up to this; what is longer has no use for company.
_MOST_HELD: Final = 8192


class Connection(ABC):
    """A stream in the reactor. At most one read's worth of bytes waits in `out`: whoever feeds a
    connection stops reading its own side while `out` holds anything.

    Small pieces are held back until the end of the loop's turn and then written as one; `held` is
    empty whenever the loop waits or ticks, and whenever `out` is not. Whoever ends a connection
    or a direction writes them first; only an abort drops them.

    Attributes:
        deadline: monotonic seconds after which `on_deadline` is called by the sweep.
        held: bytes not yet offered to the operating system in this turn.
        out: bytes that it didn't take yet.
        closed: whether the connection is gone; nothing may be called on it any more.
    """

    __slots__ = (
        "_detached",
        "_ended",
        "_mask",
        "_paused",
        "_paused_mask",
        "_reading_mask",
        "closed",
        "deadline",
        "fd",
        "held",
        "out",
        "reactor",
        "stream",
    )

    def __init__(self, reactor: Reactor, stream: Stream, fd: int) -> None:
        self.reactor = reactor
        self.stream = stream
        self.fd = fd
        self.out = self.held = b""
        self.deadline = inf
        self.closed = False
        self._reading_mask = READ
        self._paused_mask = 0
        self._mask = READ
        self._paused = False
        self._detached = False
        self._ended = False

    # -- for subclasses --------------------------------------------------------------------------

    @abstractmethod
    def on_readable(self) -> None:
        """Bytes, or the end, can be read. May raise `ConnectionLost`."""

    @abstractmethod
    def on_blocked(self) -> None:
        """Some of what was held back went to `out`: who fed it didn't see that."""

    @abstractmethod
    def on_drained(self) -> None:
        """`out` became empty after having held something."""

    @abstractmethod
    def on_progress(self) -> None:
        """Some of `out` was taken, and some is left."""

    @abstractmethod
    def on_lost(self, lost: ConnectionLost) -> None:
        """The stream broke; called once. Must leave the connection closed."""

    @abstractmethod
    def on_deadline(self) -> None:
        """`deadline` has passed."""

    # -- events ----------------------------------------------------------------------------------

    def on_event(self, readiness: int) -> None:
        """The reactor's callback."""
        try:
            # Reading first: a peer that closed may have left an answer, and writing to it fails.
            if readiness & (READ | PEER_CLOSED | HANGUP | ERROR):
                if self._paused:
                    self._on_paused_event(readiness)
                else:
                    self.on_readable()
            if readiness & WRITE and not (self.closed or self._detached):
                self._flush()
        except ConnectionLost as lost:
            if not self.closed:
                self.on_lost(lost)

    def _on_paused_event(self, readiness: int) -> None:
        """The peer is gone while we don't read. What it sent before is still ours to pass on, so
        look away until reading goes on: errors can't be masked and would spin the loop.
        """
        if readiness & (HANGUP | ERROR):
            if self._ended:
                raise ConnectionLost("the peer is gone")
            self.reactor.remove(self.fd)
            self._detached = True

    def _watch(self, mask: int) -> None:
        if mask != self._mask:
            self._mask = mask
            if not self._detached:
                self.reactor.modify(self.fd, mask)

    # -- writing ---------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Write at the end of this turn, or now if it is much. Never raises: a broken stream is
        reported through `on_lost`, before this returns or at the end of the turn.
        """
        held = self.held
        if self.out:
            self.out += data
        elif len(held) + len(data) > _MOST_HELD:
            self.held = b""
            self._write(held + data if held else data)
        elif held:
            self.held = held + data
        else:
            self.held = data
            self.reactor.writers.append(self)

    def write_held(self) -> None:
        """Write what `send` held back: at the end of the turn, or before something ends."""
        data = self.held
        if data:
            self.held = b""
            self._write(data)
            if self.out:
                self.on_blocked()

    def _write(self, data: bytes) -> None:
        try:
            written = self.stream.write(data)
        except ConnectionLost as lost:
            self.on_lost(lost)
            return
        if written < len(data):
            self.out = data[written:]
            self._watch(self._mask | WRITE)

    def _flush(self) -> None:
        if self.out:
            written = self.stream.write(self.out)
            self.out = self.out[written:]
            if self.out:
                if written:
                    self.on_progress()
                return
        self._watch(self._mask & ~WRITE)
        self.on_drained()

    # -- reading ---------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop reading until `resume`: the other side can't take more."""
        if not self._paused and not self.closed:
            self._paused = True
            self._watch((self._mask & WRITE) | self._paused_mask)

    def resume(self) -> None:
        """Read again, unless the peer's end was seen."""
        if self._paused and not self._ended and not self.closed:
            self._paused = False
            self._mask = (self._mask & WRITE) | self._reading_mask
            if self._detached:
                self._detached = False
                self.reactor.add(self.fd, self._mask, self.on_event)
            else:
                self.reactor.modify(self.fd, self._mask)

    @property
    def ended(self) -> bool:
        """Whether the peer said that it sends no more."""
        return self._ended

    def reading_done(self) -> None:
        """The peer's end was read: from now on only writing matters."""
        self._ended = self._paused = True
        self._watch(self._mask & WRITE)

    # -- ending ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close regularly; what is held back goes as far as it can."""
        if not self.closed:
            held = self.held
            self._forget()
            if held:
                self._write_last(held)
            self.stream.close()

    def _write_last(self, data: bytes) -> None:
        try:
            self.stream.write(data)
        except ConnectionLost:
            pass  # nobody is there to read it

    def abort(self) -> None:
        """Close so that the peer can't take what it got for complete."""
        if not self.closed:
            self._forget()
            self.stream.abort()

    def hand_over(self) -> bytes:
        """Leave stream and descriptor to somebody else; the bytes that wait to be written."""
        self.reactor.remove(self.fd)
        self.deadline = inf
        out = self.out or self.held
        self.out = self.held = b""
        return out

    def _forget(self) -> None:
        self.closed = True
        self.deadline = inf
        self.out = self.held = b""
        self.reactor.remove(self.fd)
