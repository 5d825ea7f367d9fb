"""Callers that come and go, politely and not, under constant renewal."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
import time
from datetime import timedelta

from tests.fakes.agent_server import AgentServer
from tests.fakes.authority import Authority, server_context
from tests.fakes.raw_client import RawClient
from tests.soak.plan import Plan
from tests.soak.result import Result
from tests.soak.subject import Subject

_MOST_GROWTH = 4 << 20
_CALLERS = 8


class Caller:
    """One that is never long on the line; the same `seed` makes it behave the same."""

    def __init__(self, port: int, result: Result, seed: int) -> None:
        self._port = port
        self._result = result
        self._random = random.Random(seed)
        self._ways = (self._asks, self._asks_twice, self._hangs_up, self._breaks_off, self._stalls)

    def come_and_go(self) -> None:
        """One connection. An answer that isn't as it should be raises."""
        sock = socket.create_connection(("127.0.0.1", self._port), 10)
        with RawClient(sock, f"127.0.0.1:{self._port}") as client:
            self._random.choice(self._ways)(client)

    def _asks(self, client: RawClient) -> None:
        body = self._random.randbytes(self._random.choice((10, 1000, 100_000)))
        answer = client.post(body, "/digest")
        assert answer.status == 200, answer.body
        assert answer.body.decode() == hashlib.sha256(body).hexdigest()
        self._result.count("requests")

    def _asks_twice(self, client: RawClient) -> None:
        self._asks(client)
        self._asks(client)

    def _hangs_up(self, client: RawClient) -> None:
        client.send(client.post_bytes(b"x" * 1000))
        self._result.count("given up")

    def _breaks_off(self, client: RawClient) -> None:
        client.send(client.head("/", "Content-Length: 100000", method="POST") + b"x" * 1000)
        client.reset()
        self._result.count("given up")

    def _stalls(self, client: RawClient) -> None:
        client.send(b"GET / HTTP/1.1\r\nHost: ")
        time.sleep(0.05)
        self._result.count("given up")


def run(plan: Plan) -> Result:
    """Requests that want an answer get it, and those that were given up leave nothing behind."""
    authority = Authority()
    server = authority.issue("localhost", ends=timedelta(seconds=plan.seconds + 3600))
    context = server_context(server, authority)
    with (
        AgentServer(context) as agent,
        Subject(authority, agent.port, life_s=plan.seconds + 3600) as subject,
    ):
        result = Result(name="callers that come and go")
        before = subject.descriptors()
        _load(subject, result, plan)
        result.descriptors = (before, subject.settle(before))
        result.judge(most_growth=_MOST_GROWTH)
    return result


def _load(subject: Subject, result: Result, plan: Plan) -> None:
    stop = threading.Event()
    callers = [Caller(subject.http, result, seed) for seed in range(_CALLERS)]

    def work(caller: Caller) -> None:
        while not stop.is_set():
            try:
                caller.come_and_go()
            except (AssertionError, OSError) as error:
                result.problems.append(f"{type(error).__name__}: {error}")
                return

    threads = [threading.Thread(target=work, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    subject.work(result, plan)
    stop.set()
    for thread in threads:
        thread.join(30)
