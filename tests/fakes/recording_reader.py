"""Reads requests with h11, a parser that shares nothing with ours, and keeps their exact bytes."""

from __future__ import annotations

from dataclasses import dataclass

import h11

_LIMIT = 1 << 20


@dataclass(slots=True, kw_only=True)
class Served:
    """One whole request, as h11 understood it; `raw` is all of its bytes."""

    method: bytes
    target: bytes
    body: bytes = b""
    raw: bytes = b""


class RecordingReader:
    """One connection's requests.

    Attributes:
        problem: what h11 didn't like, "" for nothing; then no more is read.
    """

    def __init__(self) -> None:
        self._reader = h11.Connection(h11.SERVER, _LIMIT)
        self._begun: Served | None = None
        self._unread = b""
        self.problem = ""

    @property
    def is_between_requests(self) -> bool:
        """Whether every byte that came belongs to a whole request."""
        return not self._unread and not self.problem

    def feed(self, data: bytes) -> list[Served]:
        """The requests that these bytes complete; each is taken for answered."""
        self._unread += data
        whole: list[Served] = []
        if data and not self.problem:
            try:
                self._reader.receive_data(data)
                while self._read_one(whole):
                    pass
            except h11.RemoteProtocolError as problem:
                self.problem = str(problem)
        return whole

    def _read_one(self, whole: list[Served]) -> bool:
        event = self._reader.next_event()
        if isinstance(event, h11.Request):
            self._begun = Served(method=event.method, target=event.target)
        elif isinstance(event, h11.Data) and self._begun is not None:
            self._begun.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and self._begun is not None:
            size = len(self._unread) - len(self._reader.trailing_data[0])
            self._begun.raw, self._unread = self._unread[:size], self._unread[size:]
            whole.append(self._begun)
            self._note_answered()
        else:
            return False
        return True

    def _note_answered(self) -> None:
        self._begun = None
        self._reader.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        self._reader.send(h11.EndOfMessage())
        if self._reader.our_state is h11.DONE and self._reader.their_state is h11.DONE:
            self._reader.start_next_cycle()
