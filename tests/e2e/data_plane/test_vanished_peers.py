"""A peer whose machine is gone without a word: found out by deadlines, and by the system."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.ipc.snapshot import LimitsSpec, ListenerSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.authority import Authority, client_context
from tests.fakes.far_lab import FarLab
from tests.fakes.local_agent import CALLER, ingress_to
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import (
    Conversation,
    answering,
    echo,
    response,
    wait_until,
)
from tests.fakes.wire import NEAR, Wire
from tests.fakes.worker_rig import WorkerRig


def test_before_its_answer(wire: Wire, authority: Authority, tmp_path: Path) -> None:
    limits = LimitsSpec(response_timeout_s=0.5)
    here = FarLab(wire, authority, answering(echo), tmp_path, limits)
    with here.worker.connect() as client:
        assert client.get().status == 200
        wire.cut()
        assert client.get().status == 504, "on the connection that was kept"
    here.close()


def test_before_it_is_dialled(wire: Wire, authority: Authority, tmp_path: Path) -> None:
    limits = LimitsSpec(connect_timeout_s=0.5)
    here = FarLab(wire, authority, answering(echo), tmp_path, limits)
    wire.cut()
    with here.worker.connect() as client:
        assert client.get().status == 504
    here.close()


@pytest.mark.timeout(90)
def test_with_a_request_on_its_way(wire: Wire, authority: Authority, tmp_path: Path) -> None:
    """The system tries for a quarter of an hour, and an answer may take ten minutes."""
    here = FarLab(wire, authority, answering(echo), tmp_path, LimitsSpec(connect_timeout_s=0.5))
    with here.worker.connect() as client:
        assert client.get().status == 200
        wire.cut()
        client.socket.settimeout(50)
        began = time.monotonic()
        answer = client.post(b"never heard")
        assert (answer.status, json.loads(answer.body)["stage"]) == (502, "response")
        assert "acknowledges nothing" in json.loads(answer.body)["detail"]
        assert time.monotonic() - began > 29, "a pause in the network is no end"
    here.close()


def test_with_bytes_of_a_tunnel_on_their_way(
    wire: Wire, authority: Authority, tmp_path: Path
) -> None:
    def switches(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        conversation.wait_gone()

    here = FarLab(wire, authority, switches, tmp_path, LimitsSpec(idle_timeout_s=1.0))
    with here.worker.connect() as client:
        client.send(client.head("/", "Connection: Upgrade", "Upgrade: websocket"))
        client.read_head()
        client.send(b"heard")
        wire.cut()
        client.send(b"never heard")
        assert client.ended()
    here.close()


def test_a_caller_of_an_ingress_that_is_told_things(wire: Wire, authority: Authority) -> None:
    ended = threading.Event()

    def tells_and_tells(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            sock.recv(65_536)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
            while True:
                sock.sendall(b"tick")
                time.sleep(0.02)
        ended.set()

    def accept() -> None:
        sock, _ = agent.accept()
        tells_and_tells(sock)

    with (
        socket.create_server(("127.0.0.1", 0)) as agent,
        WorkerRig(authority, [1], limits=LimitsSpec(idle_timeout_s=1.0)) as worker,
    ):
        threading.Thread(target=accept, daemon=True).start()
        listening = wire.call(wire.near, lambda: socket.create_server((NEAR, 0)))
        address = listening.getsockname()
        worker.hand_over("far", listening)
        host = f"{NEAR}:{address[1]}"
        worker.change(
            listeners=(ListenerSpec(id="far", address=host, hosts=(host,), origins=()),),
            **ingress_to(agent.getsockname()[1]),
        )
        plain = wire.call(wire.far, lambda: socket.create_connection(address))
        tls = client_context(authority.issue(CALLER), authority).wrap_socket(plain)
        client = RawClient(tls, host)
        client.send(client.head())
        client.read_until(b"tick")
        wire.cut()
        assert ended.wait(10), "the agent is told that nobody listens"
        wait_until(lambda: worker.worker_stats().open_connections == 0)
        client.close()


def test_silent_connections_are_probed_on_both_sides(lab: StartLab) -> None:
    """The probes themselves take a minute: here only that the system's timer runs."""
    here = lab(answering(lambda _: response(b"")))
    client = here.connect()
    assert client.get().status == 200
    timers = keep_alive_timers(here.worker.pid)
    assert len(timers) == 2, "the client's and the upstream's"
    assert all(0 < left_s <= 30 for left_s in timers)


def keep_alive_timers(pid: int) -> list[float]:
    """Seconds until the next probe of each established TCP connection of a process; 0 for none."""
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {name[8:-1] for name in links if name.startswith("socket:")}
    timers = []
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        kind, _, when = fields[5].partition(":")
        if fields[9] in inodes and fields[3] == "01":
            timers.append(int(when, 16) / 100 if kind == "02" else 0.0)
    return timers
