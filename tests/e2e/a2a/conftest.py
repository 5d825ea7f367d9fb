"""Agents of A2A 1.0 and 0.3 beside one gateway each, their callers beside another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.a2a_server import TOKEN, A2aProgram, A2aServer
from tests.fakes.stack import TRUST_DOMAIN, free_port
from tests.fakes.two_gateways import AGENT, TwoGateways, two_gateways

# The caller has no token: its gateway brings the one that the agent asks for.
OUTBOUND = """
agent_card = "rewrite"
[routes.headers]
Authorization = "Bearer {{secret:agent-token}}"
[[routes]]
name = "outbound-grpc"
kind = "tcp"
listen = "127.0.0.1:0"
upstream = "tls://127.0.0.1:{port}"
peer = ["{agent}"]
alpn = ["h2"]
[secrets]
store = "folder"
folder = "{folder}"
"""
INBOUND = """
agent_card = "rewrite"
[[routes]]
name = "inbound-grpc"
kind = "ingress"
protocol = "tcp"
listen = "127.0.0.1:{port}"
upstream = "tcp://127.0.0.1:{agent_port}"
peer = ["spiffe://{domain}/agent/*"]
alpn = ["h2"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class A2a:
    """All of it, running.

    Attributes:
        environment: whose SDK the agent is made with.
    """

    environment: str
    server: A2aServer
    gateways: TwoGateways

    @property
    def url(self) -> str:
        """Where a caller finds the agent."""
        return f"http://{self.gateways.address}"

    @property
    def grpc_address(self) -> str:
        """Where the caller's gateway carries gRPC."""
        address: str = self.gateways.near.status()["routes"][1]["listeners"][0]
        return address

    def program(self, work: str, *arguments: object, environment: str = "") -> A2aProgram:
        """A caller; see `A2aProgram`."""
        return A2aProgram(environment or self.environment, self.url, work, *arguments)

    def result(self, work: str, *arguments: object, environment: str = "") -> Any:
        """What it says first."""
        with self.program(work, *arguments, environment=environment) as program:
            return program.said()

    def requests(self, route: str = "outbound") -> list[dict[str, Any]]:
        """Those that the caller's gateway has seen to their end, in that order."""
        lines = self.gateways.near.log()
        return [
            line for line in lines if line.get("event") == "request" and line.get("route") == route
        ]


@contextmanager
def a2a_behind(environment: str, folder: Path) -> Iterator[A2a]:
    """An agent with two gateways before it, everything of theirs in `folder`."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "agent-token").touch(0o600)
    (secrets / "agent-token").write_text(TOKEN)
    port = free_port()
    with (
        A2aServer(folder, environment) as server,
        two_gateways(
            folder,
            server.port,
            protocol="http",
            life_s=400,
            outbound=OUTBOUND.format(folder=secrets, port=port, agent=AGENT),
            inbound=INBOUND.format(port=port, agent_port=server.grpc_port, domain=TRUST_DOMAIN),
        ) as gateways,
    ):
        yield A2a(environment=environment, server=server, gateways=gateways)


@pytest.fixture(scope="session")
def a2a(tmp_path_factory: pytest.TempPathFactory) -> Iterator[A2a]:
    """Protocol 1.0; one for the session."""
    with a2a_behind("a2a", tmp_path_factory.mktemp("a2a")) as running:
        yield running


@pytest.fixture(scope="session")
def older_a2a(tmp_path_factory: pytest.TempPathFactory) -> Iterator[A2a]:
    """Protocol 0.3."""
    with a2a_behind("a2a-0.3", tmp_path_factory.mktemp("a2a-0.3")) as running:
        yield running
