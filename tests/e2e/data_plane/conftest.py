"""A worker, its upstream and clients, put together by each test with one call."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.fakes.authority import Authority, Leaf, client_context, server_context
from tests.fakes.plain_agent import PlainAgent
from tests.fakes.raw_client import DEADLINE_S, RawClient
from tests.fakes.scripted_upstream import Script, ScriptedUpstream
from tests.fakes.tls_client import TlsClient
from tests.fakes.wire import Wire
from tests.fakes.worker_rig import PEER, WorkerRig

CALLER = "spiffe://acme.example/agent/caller"
CALLERS = "spiffe://acme.example/agent/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One worker in front of one upstream."""

    worker: WorkerRig
    upstream: ScriptedUpstream
    stack: ExitStack

    def connect(self, **options: Any) -> RawClient:
        """A client that is closed with the lab."""
        return self.stack.enter_context(self.worker.connect(**options))


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One worker as the ingress of one plaintext agent."""

    worker: WorkerRig
    agent: PlainAgent
    authority: Authority
    stack: ExitStack

    def call(
        self,
        leaf: Leaf | None = None,
        *,
        name: str = CALLER,
        alpn: tuple[str, ...] = ("http/1.1",),
        session: ssl.SSLSession | None = None,
        context: ssl.SSLContext | None = None,
    ) -> TlsClient:
        """A caller's connection after its handshake, closed with the lab; with a certificate for
        `name` unless something else is given.
        """
        context = context or client_context(
            leaf or self.authority.issue(name), self.authority, alpn=alpn
        )
        port = self.worker.ports[0]
        sock = self.stack.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE_S))
        return self.stack.enter_context(
            TlsClient(sock, f"127.0.0.1:{port}", context, session=session)
        )


StartLab = Callable[..., Lab]
StartDoor = Callable[..., Door]


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Whom both sides trust."""
    return Authority()


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A cable between two namespaces, for tests that cut it."""
    with Wire() as made:
        yield made


@pytest.fixture
def lab(authority: Authority) -> Iterator[StartLab]:
    """Starts an upstream with a script and a worker in front of it."""
    with ExitStack() as stack:

        def start(script: Script, *, receive_buffer: int | None = None, **options: Any) -> Lab:
            context = server_context(authority.issue("localhost", PEER), authority)
            upstream = stack.enter_context(
                ScriptedUpstream(context, script, receive_buffer=receive_buffer)
            )
            worker = stack.enter_context(WorkerRig(authority, [upstream.port], **options))
            return Lab(worker=worker, upstream=upstream, stack=stack)

        yield start


@pytest.fixture
def door(authority: Authority) -> Iterator[StartDoor]:
    """Starts a plaintext agent with a script and a worker in front of it."""
    with ExitStack() as stack:

        def start(
            script: Script,
            *,
            carries: str = "http",
            alpn: tuple[str, ...] = ("http/1.1",),
            peers: tuple[str, ...] = (CALLERS,),
            **options: Any,
        ) -> Door:
            agent = stack.enter_context(PlainAgent(script))
            route = {"ingress": True, "kind": carries, "tls": {"server_name": "", "alpn": alpn}}
            rig = WorkerRig(
                authority, [agent.port], headers=(), peers=peers, route=route, **options
            )
            worker = stack.enter_context(rig)
            (listener,) = worker.route.listeners
            worker.change(listeners=(replace(listener, hosts=(), origins=()),))
            return Door(worker=worker, agent=agent, authority=authority, stack=stack)

        yield start
