"""A developer's machine: an empty project, an issuer, and a remote MCP server that has its identity
from there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.gateway_process import COMMAND, AnyGateway
from tests.fakes.stack import IssuerProcess, free_port
from tests.fakes.terminal import Terminal

PLANNER = "spiffe://acme.example/agent/planner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The issuer's folder is beside the project's, as `issuer`."""

    project: Path
    issuer: IssuerProcess
    env: dict[str, str]
    agent_url: str

    def run(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """A command in the project's folder, finished."""
        return subprocess.run(
            [*COMMAND, *words],
            cwd=self.project,
            env=self.env,
            input=said,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    def terminal(self, *words: str) -> Terminal:
        """A command in the project's folder, on a terminal."""
        return Terminal([*COMMAND, *words], self.project, self.env)

    def gateway(self) -> AnyGateway:
        """What the project's file configures, not started."""
        gateway = AnyGateway(self.project)
        gateway.env = self.env
        return gateway

    def join_token(self) -> str:
        """Made as the README says; what the command printed."""
        done = self.run(
            *("issuer", "token", "--dir", str(self.issuer.folder), "--name", "laptop"),
            *("--url", self.issuer.url, "--out", "join-token", "--uses", "20"),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """All of it runs, but for a gateway."""
    with ExitStack() as cleanup:
        issuer = cleanup.enter_context(IssuerProcess(tmp_path / "issuer", life_s=3600))
        issuer.start()
        project, home = tmp_path / "Acme App", tmp_path / "home"
        project.mkdir(mode=0o700)
        home.mkdir(mode=0o700)
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "HOME": str(home),
            "TERM": "xterm",
        }
        token = tmp_path / "planner.token"
        token.touch(0o600)
        token.write_text(issuer.token("planner"))
        port = free_port()
        agent = subprocess.Popen(
            [
                *(sys.executable, "-m", "gateway.demo.remote_agent", "--issuer", issuer.url),
                *("--ca-pin", issuer.ca_pin, "--token-file", str(token)),
                *("--listen", f"127.0.0.1:{port}"),
            ],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        cleanup.callback(_end, agent)
        assert agent.stdout is not None
        assert agent.stdout.readline(), "the agent doesn't say that it listens"
        url = f"https://127.0.0.1:{port}"
        yield Machine(project=project, issuer=issuer, env=env, agent_url=url)


def _end(agent: subprocess.Popen[str]) -> None:
    agent.kill()
    agent.communicate(timeout=20)
