"""The worker's end of the socket pair, run in a thread with a test at the other end."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from gateway.data_plane.link import SupervisorLink
from gateway.ipc.frames import FrameDecoder, Kind, encode
from gateway.ipc.snapshot import (
    LimitsSpec,
    ListenerSpec,
    RouteSpec,
    Snapshot,
    TlsSpec,
    UpstreamSpec,
)
from gateway.ipc.stats import WorkerStats

Frame = tuple[Kind, bytes]


class Supervisor:
    """Sends and reads frames."""

    def __init__(self) -> None:
        self.socket, worker_end = socket.socketpair()
        self.socket.settimeout(5)
        self._decoder = FrameDecoder()
        self._frames: list[Frame] = []
        self.link = SupervisorLink(worker_end)
        self._worker_end = worker_end
        self.thread = threading.Thread(target=self.link.run)
        self.thread.start()

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        self.socket.sendall(encode(kind, payload))

    def next(self, wanted: Kind) -> bytes:
        """The next frame of a kind; others before it are skipped."""
        while True:
            for index, (kind, payload) in enumerate(self._frames):
                if kind is wanted:
                    del self._frames[: index + 1]
                    return payload
            self._frames = list(self._decoder.feed(self.socket.recv(1 << 20)))

    def close(self) -> None:
        self.socket.close()
        self.thread.join(5)
        assert not self.thread.is_alive()
        for client in list(self.link.plane.clients):
            client.close()
        for listener in list(self.link.plane._listeners.values()):
            listener.close()
        self._worker_end.close()
        self.link.plane.reactor._poller.close()  # type: ignore[attr-defined]


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor()
    yield made
    made.close()


def _snapshot(number: int, *listeners: str) -> bytes:
    upstream = UpstreamSpec(
        authority="up",
        addresses=(),
        resolve_error="no such host",
    )
    route = RouteSpec(
        name="planner",
        listeners=tuple(
            ListenerSpec(id=name, address=name, hosts=("here",), origins=()) for name in listeners
        ),
        upstream=upstream,
        tls=TlsSpec(server_name="up", peers=("dns:up",), bundle_pem=""),
        pass_headers=(),
        headers=(),
        redact=(),
        unavailable="",
    )
    return Snapshot(
        number=number,
        identities=(),
        missing=(("default", "not yet"),),
        routes=(route,),
        limits=LimitsSpec(),
    ).to_json()


def test_ready_comes_first(supervisor: Supervisor) -> None:
    assert json.loads(supervisor.next(Kind.READY))["pid"] > 0


def test_snapshots_are_acknowledged_in_order(supervisor: Supervisor) -> None:
    for number in (1, 2, 3):
        supervisor.send(Kind.SNAPSHOT, _snapshot(number))
    numbers = [json.loads(supervisor.next(Kind.APPLIED))["number"] for _ in range(3)]
    assert numbers == [1, 2, 3]


def test_a_snapshot_may_come_in_pieces(supervisor: Supervisor) -> None:
    frame = encode(Kind.SNAPSHOT, _snapshot(9))
    for at in range(0, len(frame), 50):
        supervisor.socket.sendall(frame[at : at + 50])
    assert json.loads(supervisor.next(Kind.APPLIED)) == {"number": 9}


def test_descriptors_become_listeners(supervisor: Supervisor) -> None:
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    names = json.dumps(["a", "b"]).encode()
    socket.send_fds(
        supervisor.socket, [encode(Kind.LISTEN, names)], [sock.fileno() for sock in listening]
    )
    addresses = [sock.getsockname() for sock in listening]
    for sock in listening:
        sock.close()
    supervisor.send(Kind.SNAPSHOT, _snapshot(1, "a", "b"))
    supervisor.next(Kind.APPLIED)
    for address in addresses:
        with socket.create_connection(address, timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert b" 503 " in client.recv(4096)
    supervisor.send(Kind.SNAPSHOT, _snapshot(2, "b"))
    supervisor.next(Kind.APPLIED)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(addresses[0])
    with socket.create_connection(addresses[1], timeout=5):
        pass


def test_statistics_on_demand_and_by_themselves(supervisor: Supervisor) -> None:
    supervisor.send(Kind.SNAPSHOT, _snapshot(4))
    supervisor.send(Kind.STATS)
    assert WorkerStats.from_json(supervisor.next(Kind.STATS)).snapshot == 4
    assert WorkerStats.from_json(supervisor.next(Kind.STATS)).snapshot == 4


def test_an_idle_drain_ends_the_loop(supervisor: Supervisor) -> None:
    supervisor.send(Kind.DRAIN, b'{"deadline_s": 5}')
    assert json.loads(supervisor.next(Kind.DRAINED)) == {"forced": 0}
    supervisor.thread.join(5)
    assert not supervisor.thread.is_alive()


def test_a_retired_worker_serves_whom_it_has_and_nobody_new(supervisor: Supervisor) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    socket.send_fds(supervisor.socket, [encode(Kind.LISTEN, b'["a"]')], [listening.fileno()])
    supervisor.send(Kind.SNAPSHOT, _snapshot(1, "a"))
    supervisor.next(Kind.APPLIED)
    with socket.create_connection(listening.getsockname(), timeout=5) as client:
        ask = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
        client.sendall(ask)
        assert b"Connection: close" not in client.recv(4096)
        supervisor.send(Kind.RETIRE, b'{"deadline_s": null}')
        supervisor.send(Kind.SNAPSHOT, _snapshot(2, "a", "unknown"))
        supervisor.next(Kind.APPLIED)
        with socket.create_connection(listening.getsockname(), timeout=5) as late:
            late.sendall(ask)
            late.settimeout(0.1)
            with pytest.raises(TimeoutError):
                late.recv(1)
        client.sendall(ask)
        assert b"Connection: close" in client.recv(4096), "kept until it asked once more"
        assert client.recv(4096) == b""
    listening.close()
    assert json.loads(supervisor.next(Kind.DRAINED)) == {"forced": 0}


def test_a_retired_worker_may_have_a_deadline(supervisor: Supervisor) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    socket.send_fds(supervisor.socket, [encode(Kind.LISTEN, b'["a"]')], [listening.fileno()])
    supervisor.send(Kind.SNAPSHOT, _snapshot(1, "a"))
    supervisor.next(Kind.APPLIED)
    with listening, socket.create_connection(listening.getsockname(), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert client.recv(4096)
        supervisor.send(Kind.RETIRE, b'{"deadline_s": null}')
        supervisor.send(Kind.RETIRE, b'{"deadline_s": 0.1}')
        assert json.loads(supervisor.next(Kind.DRAINED)) == {"forced": 1}
        with pytest.raises(ConnectionResetError):
            client.recv(4096)


@pytest.mark.parametrize("junk", [b"\xff" * 100, b""])
def test_junk_or_the_end_of_the_link_ends_the_loop(supervisor: Supervisor, junk: bytes) -> None:
    supervisor.next(Kind.READY)
    if junk:
        supervisor.socket.sendall(junk)
    else:
        supervisor.socket.shutdown(socket.SHUT_RDWR)
    supervisor.thread.join(5)
    assert not supervisor.thread.is_alive()


def test_a_supervisor_that_does_not_read_holds_nothing_up(supervisor: Supervisor) -> None:
    """Access lines are dropped and counted rather than heaped up."""
    lines = supervisor.link.plane.access_log.lines
    line = b'{"filler":"' + b"x" * 10_000 + b'"}\n'
    for _ in range(30):
        lines += [line] * 100
        supervisor.send(Kind.STATS)
        while lines:
            pass
    supervisor.send(Kind.STATS)
    while True:
        stats = WorkerStats.from_json(supervisor.next(Kind.STATS))
        if stats.access_lines_dropped:
            break
    assert len(supervisor.link._out) < 8 << 20
