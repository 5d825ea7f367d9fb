"""LangGraph's server beside one gateway, its callers beside another, for all tests here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.langgraph_server import KEY, LangGraphServer, result
from tests.fakes.two_gateways import TwoGateways, two_gateways

# The caller has no key: its gateway brings the one that the server asks for.
OUTBOUND = """
agent_card = "rewrite"
[routes.headers]
x-api-key = "{{secret:agent-key}}"
[secrets]
store = "folder"
folder = "{folder}"
"""
INBOUND = 'agent_card = "rewrite"'


@dataclass(frozen=True, slots=True, kw_only=True)
class LangGraph:
    """All of it, running.

    Attributes:
        secrets: the folder where the caller's gateway finds the server's key.
    """

    secrets: Path
    server: LangGraphServer
    gateways: TwoGateways

    @property
    def address(self) -> str:
        """Where a caller connects."""
        return self.gateways.address

    @property
    def url(self) -> str:
        """The same for clients."""
        return f"http://{self.address}"

    def result(self, work: str, *arguments: object) -> Any:
        """What a program with the SDK says; see `LangGraphProgram`."""
        return result(self.url, work, *arguments)

    def requests(self) -> list[dict[str, Any]]:
        """Those that the caller's gateway has seen to their end, in that order."""
        return [line for line in self.gateways.near.log() if line.get("event") == "request"]


@contextmanager
def langgraph_behind(
    server: LangGraphServer, folder: Path, *, life_s: int = 400, inbound_protocol: str = "http"
) -> Iterator[LangGraph]:
    """Two gateways before a server, everything of theirs in `folder`; `life_s` is that of their
    certificates.
    """
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "agent-key").touch(0o600)
    (secrets / "agent-key").write_text(KEY)
    with two_gateways(
        folder,
        server.port,
        protocol="http",
        inbound_protocol=inbound_protocol,
        life_s=life_s,
        outbound=OUTBOUND.format(folder=secrets),
        inbound=INBOUND if inbound_protocol == "http" else "",
    ) as gateways:
        yield LangGraph(secrets=secrets, server=server, gateways=gateways)


@pytest.fixture(scope="session")
def langgraph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LangGraph]:
    """One for the session."""
    folder = tmp_path_factory.mktemp("langgraph")
    with LangGraphServer(folder) as server, langgraph_behind(server, folder) as running:
        yield running
        assert not server.reached_out, "the server wanted something of the internet"
