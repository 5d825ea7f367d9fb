"""A gateway in front of an upstream that answers; and an issuer, an agent and a gateway that joins
the one and leads to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.agent_server import AgentServer
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, answering, echo
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


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Whom both sides trust."""
    return Authority()


@pytest.fixture
def upstream(authority: Authority) -> Iterator[ScriptedUpstream]:
    """Echoes bodies over TLS 1.3 with client certificates."""
    context = server_context(authority.issue("localhost"), authority)
    with ScriptedUpstream(context, answering(echo)) as made:
        yield made


@pytest.fixture
def gateway(
    tmp_path: Path, authority: Authority, upstream: ScriptedUpstream
) -> Iterator[GatewayProcess]:
    """Configured, not started."""
    with ExitStack() as stack:
        yield stack.enter_context(GatewayProcess(tmp_path, authority, upstream_port=upstream.port))
