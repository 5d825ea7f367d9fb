"""256 MiB up and down pass with a worker that does not grow."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, response
from tests.fakes.worker_rig import WorkerRig

SIZE = 256 << 20
BLOCK = bytes(range(256)) * 4096  # 1 MiB
EXPECTED = hashlib.sha256(BLOCK * 16).hexdigest()  # of each 16 MiB
MOST_GROWTH = 4 << 20


@contextmanager
def bounded_memory(worker: WorkerRig) -> Iterator[None]:
    """Sample the worker's memory while the block runs; it may hardly grow."""
    before = worker.memory()
    most = before
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, worker.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert most - before < MOST_GROWTH, f"grew by {(most - before) >> 10} KiB"


def _digests_of_16_mib(pieces: Iterator[bytes]) -> list[str]:
    digests, hasher, left = [], hashlib.sha256(), 16 << 20
    for piece in pieces:
        view = memoryview(piece)
        while view:
            taken = view[:left]
            hasher.update(taken)
            left -= len(taken)
            view = view[len(taken) :]
            if not left:
                digests.append(hasher.hexdigest())
                hasher, left = hashlib.sha256(), 16 << 20
    return digests


def test_upload(lab: StartLab) -> None:
    digests: list[str] = []

    def script(conversation: Conversation) -> None:
        received = conversation.read_head()
        assert received is not None
        digests.extend(_digests_of_16_mib(conversation.read_body(received)))
        conversation.send(response(b"done"))
        conversation.wait_gone()

    here = lab(script)
    client = here.connect()
    with bounded_memory(here.worker):
        client.send(client.head("/", f"Content-Length: {SIZE}", method="POST"))
        for _ in range(SIZE // len(BLOCK)):
            client.send(BLOCK)
        assert client.read_response().body == b"done"
    assert digests == [EXPECTED] * 16


def test_download(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(BLOCK)):
            conversation.send(BLOCK)
        conversation.wait_gone()

    here = lab(script)
    client = here.connect()
    with bounded_memory(here.worker):
        client.send(client.head())
        client.read_head()
        digests = _digests_of_16_mib(
            client.read_exactly(len(BLOCK)) for _ in range(SIZE // len(BLOCK))
        )
    assert digests == [EXPECTED] * 16


def test_chunked_download(lab: StartLab) -> None:
    size = 64 << 20

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(size // len(BLOCK)):
            conversation.send(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))
        conversation.send(b"0\r\n\r\n")
        conversation.wait_gone()

    here = lab(script)
    client = here.connect()
    with bounded_memory(here.worker):
        client.send(client.head())
        client.read_head()
        digests = _digests_of_16_mib(iter(client.read_chunk, b""))
    assert digests == [EXPECTED] * 4
