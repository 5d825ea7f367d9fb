"""A gateway whose identity comes from wherever a test says, and an agent that trusts its issuer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.agent_server import AgentServer
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import AnyGateway


@dataclass(slots=True)
class _Trusted:
    """The authorities of clients, PEM."""

    pem: str


class SourcedGateway(AnyGateway):
    """A gateway, not started. `identity` is the TOML of `[identity]` and its tables."""

    def __init__(self, folder: Path, identity: str, *, agent_port: int) -> None:
        super().__init__(folder)
        self.write_config(f"""
project = "acme"
{identity}
[admin]
socket = "unix:admin.sock"
[log]
level = "debug"
file = "gw.log"
[limits]
drain_timeout_s = 1
[[routes]]
name = "planner"
listen = "127.0.0.1:0"
upstream = "https://localhost:{agent_port}"
peer = ["dns:localhost"]
trust_bundle = "upstream-ca.pem"
""")

    def keep(self, name: str, text: str) -> None:
        """Write a file that only its owner may read."""
        path = self.folder / name
        path.touch(0o600)
        path.write_text(text)


@contextmanager
def sourced_gateway(
    folder: Path, identity: str, *, client_authorities: bytes
) -> Iterator[tuple[SourcedGateway, AgentServer]]:
    """The gateway in `folder`, and a remote agent that takes clients of these authorities."""
    folder.mkdir(mode=0o700)
    authority = Authority()
    context = server_context(authority.issue("localhost"), _Trusted(client_authorities.decode()))
    with AgentServer(context) as agent:
        (folder / "upstream-ca.pem").write_text(authority.pem)
        with SourcedGateway(folder, identity, agent_port=agent.port) as gateway:
            yield gateway, agent
