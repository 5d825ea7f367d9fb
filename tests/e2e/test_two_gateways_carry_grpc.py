"""gRPC through two gateways that renew their certificates meanwhile: a real client, a real server,
both in plaintext, and no call fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.fakes.scripted_upstream import wait_until
from tests.fakes.two_gateways import AGENT, CALLER, two_gateways

# A connection ends with the certificate that it was made with: a server of gRPC has its clients
# make a new one before. What is left of a certificate after its renewal is some 4 of 10 seconds.
MAX_AGE_MS = 1500
GRACE_MS = 2000


# Bytes in, bytes out: one for one, many for one, many for many.
METHODS = {
    "One": grpc.unary_unary_rpc_method_handler(lambda request, _context: request),
    "Count": grpc.unary_stream_rpc_method_handler(lambda request, _context: _count(request)),
    "Chat": grpc.stream_stream_rpc_method_handler(
        lambda requests, _context: (request[::-1] for request in requests)
    ),
}


def _count(request: bytes) -> Iterator[bytes]:
    for number in range(int(request)):
        time.sleep(0.05)
        yield b"%d" % number


@contextmanager
def grpc_agent() -> Iterator[int]:
    """A server in plaintext; its port."""
    server = grpc.server(
        ThreadPoolExecutor(max_workers=16),
        handlers=[grpc.method_handlers_generic_handler("echo", METHODS)],
        options=[
            ("grpc.max_connection_age_ms", MAX_AGE_MS),
            ("grpc.max_connection_age_grace_ms", GRACE_MS),
        ],
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


class Work:
    """What one channel does until it is told to end; `problems` is what went wrong."""

    def __init__(self, address: str) -> None:
        self.ending = False
        self.calls = 0
        self.streams = 0
        self.problems: list[BaseException] = []
        self._channel = grpc.insecure_channel(address)
        self._threads = [
            threading.Thread(target=self._run, args=(step,))
            for step in (self._one, self._count, self._chat)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Finish what is under way."""
        self.ending = True
        for thread in self._threads:
            thread.join(10)
        self._channel.close()

    def _run(self, step: Any) -> None:
        try:
            while not self.ending:
                step()
        except BaseException as problem:  # noqa: BLE001 - looked at by the test
            self.problems.append(problem)

    def _one(self) -> None:
        message = b"x" * (1 + self.calls % 100_000)
        assert self._channel.unary_unary("/echo/One")(message, timeout=10) == message
        self.calls += 1
        time.sleep(0.005)

    def _count(self) -> None:
        numbers = list(self._channel.unary_stream("/echo/Count")(b"10", timeout=10))
        assert numbers == [b"%d" % number for number in range(10)]
        self.streams += 1

    def _chat(self) -> None:
        messages = [b"a%d" % number for number in range(50)]
        answers = list(self._channel.stream_stream("/echo/Chat")(iter(messages), timeout=10))
        assert answers == [message[::-1] for message in messages]
        self.streams += 1


@pytest.mark.timeout(120)
def test_no_call_fails(tmp_path: Path) -> None:
    with (
        grpc_agent() as port,
        two_gateways(tmp_path, port, protocol="tcp", alpn='alpn = ["h2"]') as both,
    ):
        works = [Work(both.address) for _ in range(2)]
        wait_until(
            lambda: both.renewals >= 3 or any(work.problems for work in works), deadline_s=80
        )
        for work in works:
            work.end()
        assert [work.problems for work in works] == [[], []]
        for work in works:
            assert work.calls > 100
            assert work.streams > 10
        lines = [line for line in both.far.log() if line.get("event") == "request"]
        assert {line["caller"] for line in lines} == {CALLER}
        lines += [line for line in both.near.log() if line.get("event") == "request"]
        assert {line["method"] for line in lines} == {"TCP"}
        # A channel's farewell has the server close as well: either may be seen first.
        assert {line["reason"] for line in lines} <= {"", "client_closed", "upstream_closed"}
        assert {line["peer"] for line in lines if line["route"] == "outbound"} == {AGENT}
        assert len({line["generation"] for line in lines}) >= 3
