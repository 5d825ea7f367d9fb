"""Two routes with tokens of their own, while listeners change hands and tokens change under load:
no upstream ever sees the other route's token.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace

from gateway.ipc.snapshot import ListenerSpec, RouteSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.authority import Authority, server_context
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import Received, ScriptedUpstream, answering, response
from tests.fakes.worker_rig import PEER, WorkerRig

CHANGES = 30


class Agent:
    """One route's upstream, which keeps the tokens that it saw."""

    def __init__(self, name: str, authority: Authority) -> None:
        self.name = name
        self.seen: list[str] = []
        context = server_context(authority.issue("localhost", PEER), authority)
        self.upstream = ScriptedUpstream(context, answering(self._answer))

    def _answer(self, received: Received) -> bytes:
        self.seen.append(received.fields.get("authorization", ""))
        return response(b"ok")

    def route(self, like: RouteSpec, listener: ListenerSpec, number: int) -> RouteSpec:
        """The route to it after so many changes."""
        port = self.upstream.port
        return replace(
            like,
            name=self.name,
            listeners=(listener,),
            upstream=replace(
                like.upstream, authority=f"localhost:{port}", addresses=(("127.0.0.1", port),)
            ),
            headers=(("Authorization", f"Bearer {self.name}-{number}"),),
            redact=(f"{self.name}-{number}",),
        )


def ask_until(stop: threading.Event, worker: WorkerRig, listener: int) -> None:
    while not stop.is_set():
        with suppress(ConnectionError, Truncated), worker.connect(listener) as client:
            for _ in range(20):
                client.get("/", "Authorization: Bearer mine")


def test_no_token_goes_astray(lab: StartLab, authority: Authority) -> None:
    here = lab(answering(lambda _: response(b"ok")))
    worker = here.worker
    agents = [Agent(name, authority) for name in "ab"]
    for agent in agents:
        here.stack.enter_context(agent.upstream)
    like = worker.route
    listeners = [like.listeners[0], worker.add_listener()]
    stop = threading.Event()
    threads = [
        threading.Thread(target=ask_until, args=(stop, worker, number % 2)) for number in range(4)
    ]
    for number in range(CHANGES):
        worker.apply(
            tuple(
                agent.route(like, listeners[(number + index) % 2], number)
                for index, agent in enumerate(agents)
            )
        )
        if not number:
            for thread in threads:
                thread.start()
        before = [len(agent.seen) for agent in agents]
        # Each change meets requests on their way.
        here.upstream.wait_for(
            lambda _, before=before: all(  # type: ignore[misc]
                len(agent.seen) > count for agent, count in zip(agents, before, strict=True)
            )
        )
    stop.set()
    for thread in threads:
        thread.join(10)
    for agent in agents:
        assert all(token.startswith(f"Bearer {agent.name}-") for token in agent.seen), agent.seen
        assert len({*agent.seen}) > CHANGES / 2
