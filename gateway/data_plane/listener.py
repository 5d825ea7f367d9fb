"""Accepting local callers, and the check that no web page or foreign name is behind them."""

from __future__ import annotations

import errno
import socket
import time
from math import inf
from typing import TYPE_CHECKING, Final

from gateway.data_plane.arrival import Arrival
from gateway.data_plane.client import ClientConnection
from gateway.data_plane.downstream import Accepted
from gateway.data_plane.failure import Failure, problem_response
from gateway.data_plane.liveness import give_up_after, keep_alive
from gateway.data_plane.policy import Verdict, judge
from gateway.data_plane.reactor import READ
from gateway.data_plane.stream import PlainStream, reset
from gateway.data_plane.tcp import TcpClient

if TYPE_CHECKING:
    from gateway.data_plane.downstream import Downstream
    from gateway.data_plane.plane import DataPlane
    from gateway.data_plane.route import Route
    from gateway.ipc.snapshot import ListenerSpec

_ACCEPTS_A_TURN: Final = 32
_LOOPBACK: Final = frozenset(("127.0.0.1", "::1"))
_NO_METADATA: Final = Failure(
    "no_oauth_metadata", "clients of this route need no token of their own"
)
_OWN_SITES: Final = (b"none", b"same-origin")
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


def _is_local(listening: socket.socket) -> bool:
    """Whether callers are on this machine, which doesn't vanish from itself."""
    return listening.family == socket.AF_UNIX or listening.getsockname()[0] in _LOOPBACK


class Listener:
    """A listening socket with the route that its callers reach: another one after some snapshot,
    but always one of the same kind, because a connection can't become another.
    """

    __slots__ = (
        "_accepts",
        "_hosts",
        "_origins",
        "_rests",
        "_socket",
        "address",
        "closed",
        "deadline",
        "fd",
        "id",
        "plane",
        "route",
    )

    def __init__(
        self, plane: DataPlane, spec: ListenerSpec, sock: socket.socket, route: Route
    ) -> None:
        self.plane = plane
        self.id = spec.id
        self._socket = sock
        self.fd = sock.fileno()
        self.deadline = inf
        self._accepts = True
        self._rests = False
        self.closed = False
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            keep_alive(sock)
        self.apply(spec, route)
        plane.reactor.add(self.fd, READ, self._on_event)

    def apply(self, spec: ListenerSpec, route: Route) -> None:
        """Take over a snapshot's values."""
        if self._accepts and not _is_local(self._socket):
            give_up_after(self._socket, self.plane.limits.idle_timeout_s)
        self.route = route
        self.address = spec.address
        self._hosts = frozenset(host.encode("ascii") for host in spec.hosts)
        self._origins = frozenset(origin.encode("ascii") for origin in spec.origins)

    def _on_event(self, _readiness: int) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            try:
                sock, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest()
                return
            self._welcome(sock)

    def _welcome(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        plane = self.plane
        refusal = plane.room.refusal(sock.fileno())
        if refusal:
            self._turn_away(sock, Failure("overloaded", refusal, 1))
            return
        if sock.family != socket.AF_UNIX:
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:  # macOS says so of a caller that is gone already
                sock.close()
                return
        if self.route.spec.ingress:
            self._begin_arrival(sock)
        else:
            caller = plane.callers.of(sock)
            self.take(Accepted(PlainStream(sock), sock.fileno(), caller))

    def _begin_arrival(self, sock: socket.socket) -> None:
        epoch = self.route.door
        # The wall clock, because a monotonic one stands still while a laptop sleeps.
        if epoch is None or time.time() >= epoch.credentials.not_after:
            self.plane.want_identity(self.route.spec.identity)
            reason = "the certificate has expired" if epoch else self.route.reason
            self.route.note_failure(Failure("no_identity", reason))
            reset(sock)
            return
        arrivals = self.plane.arrivals
        if len(arrivals) >= self.plane.limits.max_handshakes:
            next(iter(arrivals)).give_way()
        Arrival(self.plane, self, sock, epoch)

    def take(self, accepted: Accepted) -> None:
        """Serve a connection; of an ingress once its handshake is done."""
        if self.route.spec.kind == "tcp":
            raw = TcpClient(self.plane, self, accepted)
            self.plane.clients.add(raw)
            raw.begin()
        else:
            self.plane.clients.add(ClientConnection(self.plane, self, accepted))

    def _turn_away(self, sock: socket.socket, failure: Failure) -> None:
        if self.route.spec.ingress or self.route.spec.kind == "tcp":
            self.route.note_failure(failure)
            reset(sock)  # nothing can be said
        elif self.plane.room.may_linger(sock.fileno()):
            caller = self.plane.callers.of(sock)
            client = ClientConnection(
                self.plane, self, Accepted(PlainStream(sock), sock.fileno(), caller)
            )
            self.plane.clients.add(client)
            self.plane.room.linger(client)
            client.turn_away(failure)
        else:
            self.route.note_failure(failure)
            self._turn_away_at_once(sock, failure)

    def _turn_away_at_once(self, sock: socket.socket, failure: Failure) -> None:
        """An answer, and no wait for its reader: it may be lost to a reset."""
        answer = problem_response(
            failure,
            now=time.time(),
            request_id=self.plane.next_request_id(),
            route=self.route.name,
            with_body=True,
            connection=b"Connection: close\r\n",
        )
        try:
            sock.send(answer)
        except OSError:
            pass  # the caller is gone already
        sock.close()

    def _rest(self) -> None:
        """No descriptors are left: look away until the next tick instead of spinning."""
        self.plane.reactor.remove(self.fd)
        self._rests = True
        self.deadline = self.plane.reactor.now

    def on_deadline(self) -> None:
        """Accept again."""
        self.deadline = inf
        if self._rests:
            self._rests = False
            self.plane.reactor.add(self.fd, READ, self._on_event)

    def stop(self) -> None:
        """Stop accepting; connections that were accepted go on."""
        if self._accepts:
            self._accepts = self._rests = False
            self.deadline = inf
            self.plane.reactor.remove(self.fd)
            self._socket.close()

    def close(self) -> None:
        """The configuration names it no more, or the worker ends: stop for good."""
        self.closed = True
        self.stop()

    def give_up(self) -> socket.socket | None:
        """Stop for good, and leave the socket to another listener; None when it is closed already,
        in a worker that retires.
        """
        self.closed = True
        if not self._accepts:
            return None
        self._accepts = self._rests = False
        self.deadline = inf
        self.plane.reactor.remove(self.fd)
        return self._socket

    def refusal(self, client: Downstream) -> Failure | None:
        """Why the request may not come in, if so: DNS rebinding, a page on a foreign origin, or a
        caller that the route's rules don't allow.

        A Unix socket can't be reached by a web page; there any well-formed Host is accepted.
        """
        request = client.request
        if self._hosts and request.host not in self._hosts:
            return Failure("unknown_host", "the Host is not one of this listener's names")
        origin = request.origin
        if origin is not None and origin.lower() not in self._origins:
            return Failure("foreign_origin", "the Origin is not one that this route allows")
        site = request.fetch_site
        if site is not None and not self._may_ask(site.lower(), origin):
            return Failure("foreign_origin", "a browser says that another site's page asks")
        if request.well_known and self.route.rules.hides(request.target):
            return self.caller_refusal(client) or _NO_METADATA
        return self.caller_refusal(client)

    def _may_ask(self, site: bytes, origin: bytes | None) -> bool:
        """Whether Sec-Fetch-Site speaks of a page that may ask, whose Origin was let in if there is
        one. A page on another local port is "same-site", and may send a GET without an Origin: then
        nobody allowed it. One of another site may ask if it was allowed by name; none has our own
        origin.
        """
        if origin is None or site in _OWN_SITES:
            return site in _OWN_SITES
        is_ours = origin.lower().removeprefix(b"http://") in self._hosts
        return site == b"same-site" or (site == b"cross-site" and not is_ours)

    def caller_refusal(self, client: Downstream) -> Failure | None:
        """Why the route's rules don't allow the caller, if so."""
        spec = self.route.spec
        caller = client.caller
        if spec.ingress:
            if not caller.refusal:
                return None
            verdict = Verdict("peer", caller.refusal)
        elif not spec.allow and caller.uid == self.plane.own_uid:
            return None
        else:
            verdict = judge(
                spec.allow,
                uid=caller.uid,
                exe=caller.exe,
                token=client.request.local_token,
                own_uid=self.plane.own_uid,
            )
        if verdict.rule is not None:
            client.let_in_by(verdict.rule)
        if not verdict.denied:
            return None
        self.route.tell_denied(self.address, verdict, caller)
        return Failure("peer_denied" if spec.ingress else "caller_denied", verdict.why)
