"""Event streams on which nothing comes for a while: a comment shows that they are alive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.data_plane.wire.edited import chunk

if TYPE_CHECKING:
    from gateway.data_plane.client import ClientConnection
    from gateway.data_plane.event_edges import EventEdges
    from gateway.data_plane.upstream import UpstreamConnection

# The empty line is for readers that take a stream apart at these.
COMMENT: Final = b": keep-alive\n\n"


class WatchedStream:
    """One stream of a route that asks for comments, for as long as `upstream` carries it."""

    __slots__ = ("_client", "_edges", "_limit_s", "_silent_since", "_upstream")

    def __init__(
        self,
        client: ClientConnection,
        upstream: UpstreamConnection,
        edges: EventEdges,
        *,
        limit_s: float,
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._edges = edges
        self._limit_s = limit_s
        self._silent_since = client.reactor.now

    def on_tick(self, now: float) -> bool:
        """Send a comment if it is time; whether the stream still goes on."""
        client = self._client
        edges = self._edges
        if client.closed or not self._upstream.carries(edges):
            return False
        if edges.moved:
            edges.moved = False
            self._silent_since = now
        # What the client hasn't taken yet will show it that the stream is alive.
        elif now - self._silent_since >= self._limit_s and not client.out and edges.between:
            self._silent_since = now
            comment = chunk(edges.insert(COMMENT))
            client.bytes_down += len(comment)
            client.relay(comment)
        return True
