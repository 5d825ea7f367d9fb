"""A real worker process with a test in the supervisor's place.

The rig opens the listeners, sends snapshots, and reads what the worker reports. All of it is
blocking calls with deadlines around one reader thread; from async tests call it in a thread.
"""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from gateway.ipc.frames import FrameDecoder, Kind, encode
from gateway.ipc.snapshot import (
    IdentitySpec,
    LimitsSpec,
    ListenerSpec,
    RouteSpec,
    Snapshot,
    TlsSpec,
    UpstreamSpec,
)
from gateway.ipc.stats import RouteStats, WorkerStats
from tests.fakes.authority import Authority, Leaf
from tests.fakes.raw_client import RawClient

DEADLINE_S = 10.0
SPIFFE_ID = "spiffe://acme.example/client"
PEER = "spiffe://acme.example/agent/planner"
TOKEN = "sekrit-token-Zk3"


class WorkerRig:
    """Starts on construction; a context manager that ends the worker and checks how it ended.

    Attributes:
        route: the one route of the last snapshot; change it with `change`.
        identity: its identity, None for none.
        limits: its limits.
        serial: serial number of the last identity's certificate.
        ports: of the TCP listeners.
    """

    def __init__(
        self,
        authority: Authority,
        upstream_ports: list[int],
        *,
        limits: LimitsSpec | None = None,
        identity: bool = True,
        unix_socket: Path | None = None,
        descriptors: int = 0,
        within: tuple[str, ...] = (),
        grants: tuple[str, ...] = (),
        headers: tuple[tuple[str, str], ...] = (("Authorization", f"Bearer {TOKEN}"),),
        peers: tuple[str, ...] = (PEER,),
        route: dict[str, Any] | None = None,
    ) -> None:
        """`route` are changes, as for `change`, of what the first snapshot says."""
        self._authority = authority
        self.limits = limits or LimitsSpec()
        self.serial = 0
        self.identity = self.new_identity(1) if identity else None
        self._number = 0
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `stop`
        self._frames: list[tuple[Kind, bytes]] = []
        self._arrived = threading.Condition()
        self._link, worker_end = socket.socketpair()
        self._process = subprocess.Popen(
            [
                *within,
                sys.executable,
                "-m",
                "gateway.data_plane",
                *grants,
                str(worker_end.fileno()),
            ],
            pass_fds=[worker_end.fileno()],
            stderr=self._stderr,
            preexec_fn=_limiter(descriptors) if descriptors else None,  # noqa: PLW1509
        )
        worker_end.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.ports: list[int] = []
        self.unix_socket = unix_socket
        listener = self._listen()
        self.route = RouteSpec(
            name="planner",
            listeners=(listener,),
            upstream=UpstreamSpec(
                authority=f"localhost:{upstream_ports[0]}",
                addresses=tuple(("127.0.0.1", port) for port in upstream_ports),
                resolve_error="",
            ),
            tls=TlsSpec(
                server_name="localhost",
                peers=peers,
                bundle_pem=authority.pem,
            ),
            pass_headers=(),
            headers=headers,
            redact=tuple(value.removeprefix("Bearer ") for _, value in headers),
            unavailable="",
            affinity="Mcp-Session-Id",
        )
        self.change(**(route or {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    # -- the supervisor's part -------------------------------------------------------------------

    def _listen(self) -> ListenerSpec:
        if self.unix_socket is not None:
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(str(self.unix_socket))
            sock.listen(128)
            spec = ListenerSpec(id="l0", address=f"unix:{self.unix_socket}", hosts=(), origins=())
        else:
            sock = socket.create_server(("127.0.0.1", 0), backlog=256)
            port: int = sock.getsockname()[1]
            spec = self._local(f"l{len(self.ports)}", port)
            self.ports.append(port)
        self.hand_over(spec.id, sock)
        return spec

    @staticmethod
    def _local(listener_id: str, port: int) -> ListenerSpec:
        hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        return ListenerSpec(
            id=listener_id,
            address=hosts[0],
            hosts=hosts,
            origins=tuple(f"http://{host}" for host in hosts),
        )

    def hand_over(self, listener_id: str, sock: socket.socket) -> None:
        """Pass a listening socket to the worker; the next snapshot names it."""
        with sock:
            payload = json.dumps([listener_id]).encode()
            socket.send_fds(self._link, [encode(Kind.LISTEN, payload)], [sock.fileno()])

    def add_listener(self) -> ListenerSpec:
        """Open another port and pass it to the worker; the next snapshot may name it."""
        return self._listen()

    def new_identity(
        self, generation: int, *, leaf: Leaf | None = None, not_after: float | None = None
    ) -> IdentitySpec:
        """An identity; `not_after` says something else than the certificate does."""
        leaf = leaf or self._authority.issue(SPIFFE_ID)
        self.serial = leaf.serial
        return IdentitySpec(
            generation=generation,
            key_pem=leaf.key_pem,
            chain_pem=leaf.chain_pem,
            spiffe_id=SPIFFE_ID,
            not_after=leaf.not_after if not_after is None else not_after,
        )

    def apply(self, routes: tuple[RouteSpec, ...], reason: str = "") -> None:
        """Send a snapshot and wait until it is in use."""
        self._number += 1
        number = self._number
        snapshot = Snapshot(
            number=number,
            identities=(self.identity,) if self.identity else (),
            missing=() if self.identity else (("default", reason),),
            routes=routes,
            limits=self.limits,
        )
        self.send(Kind.SNAPSHOT, snapshot.to_json())
        self.wait_for(
            lambda frames: any(
                kind is Kind.APPLIED and json.loads(body)["number"] == number
                for kind, body in frames
            )
        )

    def change(
        self,
        *,
        reason: str = "",
        upstream: dict[str, Any] | None = None,
        tls: dict[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        """Change the route (with `upstream` and `tls` its far side) and apply the snapshot."""
        if upstream:
            changes["upstream"] = replace(self.route.upstream, **upstream)
        if tls:
            changes["tls"] = replace(self.route.tls, **tls)
        self.route = replace(self.route, **changes)
        self.apply((self.route,), reason)

    def rotate(self, *, not_after: float | None = None) -> int:
        """A new generation; its certificate's serial number."""
        before = self.identity.generation if self.identity else 0
        self.identity = self.new_identity(before + 1, not_after=not_after)
        self.change()
        return self.serial

    def expire(self) -> None:
        """The same identity, but at its end since a second."""
        assert self.identity is not None
        self.identity = replace(self.identity, not_after=time.time() - 1)
        self.change()

    def drain(self, deadline_s: float = 5.0) -> None:
        """Ask for a drain."""
        self.send(Kind.DRAIN, json.dumps({"deadline_s": deadline_s}).encode())

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Send a frame."""
        self._link.sendall(encode(kind, payload))

    def cut_link(self) -> None:
        """What the death of the supervisor looks like."""
        self._link.shutdown(socket.SHUT_RDWR)

    # -- what the worker says --------------------------------------------------------------------

    def _read(self) -> None:
        decoder = FrameDecoder()
        while True:
            try:
                data = self._link.recv(1 << 20)
            except OSError:
                data = b""
            with self._arrived:
                self._frames += decoder.feed(data)
                self._arrived.notify_all()
            if not data:
                return

    def wait_for(self, condition: Callable[[list[tuple[Kind, bytes]]], bool]) -> None:
        """Wait until the frames received so far satisfy the condition."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: condition(self._frames), DEADLINE_S), (
                self.complaints() or "the worker did not say what was waited for"
            )

    def frames(self, kind: Kind) -> list[bytes]:
        """Payloads of one kind so far."""
        with self._arrived:
            return [body for frame, body in self._frames if frame is kind]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Events of one name, of all that was said before an answer to a question of now."""
        with suppress(OSError):  # it has ended, and all that it said is here
            self.worker_stats()
        parsed = [json.loads(body) for body in self.frames(Kind.EVENT)]
        return [event for event in parsed if event["event"] == name]

    def stats(self) -> RouteStats:
        """The route's numbers of now."""
        return self.worker_stats().routes[self.route.name]

    def worker_stats(self) -> WorkerStats:
        """The worker's numbers of now."""
        before = len(self.frames(Kind.STATS))
        self.send(Kind.STATS)
        # A frame that was on its way before the question may come first: take the one behind it.
        self.wait_for(lambda frames: sum(kind is Kind.STATS for kind, _ in frames) > before)
        return WorkerStats.from_json(self.frames(Kind.STATS)[-1])

    def access_log(self, lines: int) -> list[dict[str, Any]]:
        """The access log once it has so many lines; they come before an answer to STATS."""
        self.send(Kind.STATS)
        self.wait_for(
            lambda frames: sum(b.count(b"\n") for k, b in frames if k is Kind.ACCESS) >= lines
        )
        text = b"".join(self.frames(Kind.ACCESS))
        return [json.loads(line) for line in text.splitlines()]

    def memory(self) -> int:
        """Bytes that the worker alone holds."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        kib = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")]
        return sum(kib) * 1024

    def cpu(self) -> float:
        """CPU seconds that the worker has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    # -- clients ---------------------------------------------------------------------------------

    def connect(self, listener: int = 0, *, receive_buffer: int = 0) -> RawClient:
        """A client's connection; `receive_buffer` bounds what the kernel takes in advance."""
        if self.unix_socket is not None:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(DEADLINE_S)
            sock.connect(str(self.unix_socket))
            return RawClient(sock, "localhost")
        port = self.ports[listener]
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(DEADLINE_S)
        try:
            sock.connect(("127.0.0.1", port))
        except OSError:
            sock.close()
            raise
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return RawClient(sock, f"127.0.0.1:{port}")

    # -- the end ---------------------------------------------------------------------------------

    def wait_exit(self) -> int:
        """Wait for the worker to end by itself; its exit status."""
        return self._process.wait(DEADLINE_S)

    def complaints(self) -> str:
        """What the worker wrote to its standard error."""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def stop(self) -> None:
        """End the worker; a traceback or a bad exit status is an error."""
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        try:
            status = self._process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join(DEADLINE_S)
        self._link.close()
        complaints = self.complaints()
        self._stderr.close()
        assert (status, complaints) == (0, ""), complaints or f"exit status {status}"


def _limiter(descriptors: int) -> Callable[[], None]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    return limit
