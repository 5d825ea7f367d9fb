"""An issuer, an agent and a gateway that joins the one and leads to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.agent_server import AgentServer
from tests.fakes.authority import Authority, server_context
from tests.fakes.stack import Gateway, IssuerProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """All three; the gateway is configured, not started."""

    issuer: IssuerProcess
    agent: AgentServer
    gateway: Gateway


StartStack = Callable[..., Stack]


@pytest.fixture
def start_stack(tmp_path: Path) -> Iterator[StartStack]:
    """Starts issuer and agent; `life_s` is that of the gateway's certificates."""
    with ExitStack() as cleanup:

        def start(*, life_s: int = 3600, issuer_runs: bool = True) -> Stack:
            issuer = cleanup.enter_context(IssuerProcess(tmp_path / "issuer", life_s=life_s))
            if issuer_runs:
                issuer.start()
            authority = Authority()
            context = server_context(authority.issue("localhost"), issuer)
            agent = cleanup.enter_context(AgentServer(context))
            folder = tmp_path / "gateway"
            folder.mkdir(mode=0o700)
            gateway = cleanup.enter_context(
                Gateway(folder, issuer, agent_port=agent.port, agent_bundle=authority.pem)
            )
            return Stack(issuer=issuer, agent=agent, gateway=gateway)

        yield start
