from __future__ import annotations

import asyncio
import os
import socket

import pytest

from gateway.control_plane import worker_link
from gateway.control_plane.worker_link import WorkerLink
from gateway.ipc.frames import FrameDecoder, FrameError, Kind, encode


def receive(sock: socket.socket, frames: int) -> tuple[list[tuple[Kind, bytes]], list[int]]:
    decoder = FrameDecoder()
    got: list[tuple[Kind, bytes]] = []
    descriptors: list[int] = []
    while len(got) < frames:
        data, some, _, _ = socket.recv_fds(sock, 1 << 20, 253)
        assert data
        descriptors += some
        got += decoder.feed(data)
    return got, descriptors


async def test_descriptors_arrive_with_their_frame_though_the_sender_closed_its_own() -> None:
    ours, theirs = socket.socketpair()
    link = WorkerLink(ours)
    reading, writing = os.pipe()
    # More than a socket buffer holds goes first, so that the descriptor waits in the queue.
    link.send(Kind.SNAPSHOT, b"x" * 3_000_000)
    link.send(Kind.LISTEN, b'["l1"]', [writing])
    os.close(writing)
    got, descriptors = await asyncio.to_thread(receive, theirs, 2)
    assert [(kind, len(payload)) for kind, payload in got] == [
        (Kind.SNAPSHOT, 3_000_000),
        (Kind.LISTEN, 6),
    ]
    os.write(descriptors[0], b"hello")
    assert os.read(reading, 5) == b"hello"
    for descriptor in (reading, *descriptors):
        os.close(descriptor)
    link.close()
    theirs.close()


async def test_a_reader_that_never_reads_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_link, "MAX_QUEUED_BYTES", 1_000_000)
    ours, theirs = socket.socketpair()
    link = WorkerLink(ours)
    big = b"x" * 999_000
    link.send(Kind.SNAPSHOT, big)
    with pytest.raises(FrameError, match="does not read"):
        link.send(Kind.SNAPSHOT, big)
    link.close()
    theirs.close()


async def test_frames_end_with_the_peer_and_sending_on_does_nothing() -> None:
    ours, theirs = socket.socketpair()
    link = WorkerLink(ours)
    theirs.sendall(encode(Kind.READY, b"{}"))
    theirs.close()
    assert [kind async for kind, _ in link.frames()] == [Kind.READY]
    link.send(Kind.STATS)
    link.close()
    link.send(Kind.STATS)


async def test_bytes_that_are_no_frame_are_an_error() -> None:
    ours, theirs = socket.socketpair()
    link = WorkerLink(ours)
    theirs.sendall(b"\xff" * 10)
    with pytest.raises(FrameError):
        await anext(link.frames())
    link.close()
    theirs.close()


async def test_closing_gives_queued_descriptors_back() -> None:
    ours, theirs = socket.socketpair()
    link = WorkerLink(ours)
    reading, writing = os.pipe()
    link.send(Kind.SNAPSHOT, b"x" * 3_000_000)
    link.send(Kind.LISTEN, b'["l1"]', [writing])
    os.close(writing)
    link.close()
    # Only when no copy of the writing end is left does the reading end see the end.
    assert os.read(reading, 1) == b""
    os.close(reading)
    theirs.close()
