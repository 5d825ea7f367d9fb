"""A worker, its upstream and clients, put together by each test with one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Script, ScriptedUpstream
from tests.fakes.worker_rig import PEER, WorkerRig


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One worker in front of one upstream."""

    worker: WorkerRig
    upstream: ScriptedUpstream
    stack: ExitStack

    def connect(self, **options: Any) -> RawClient:
        """A client that is closed with the lab."""
        return self.stack.enter_context(self.worker.connect(**options))


StartLab = Callable[..., Lab]


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Whom both sides trust."""
    return Authority()


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
