"""SPIRE's own agent, in front of a small server that speaks SPIRE's API to it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Self

from tests.components import require_program
from tests.fakes.gateway_process import DEADLINE_S

_CONFIGURATION = """
agent {{
  trust_domain = "acme.example"
  server_address = "127.0.0.1"
  server_port = {port}
  socket_path = "{folder}/agent.sock"
  trust_bundle_path = "{folder}/bundle.pem"
  data_dir = "{folder}"
  log_file = "{folder}/agent.log"
  experimental {{ sync_interval = "1s" }}
}}
plugins {{
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
  WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"""


class SpireAgent:
    """The agent and its server as processes. Without an entry it issues nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = require_program("spire-agent")
        self._server: subprocess.Popen[str] | None = None
        self._agent: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700)
        bundle = self._folder / "bundle.pem"
        self._server = subprocess.Popen(
            [str(require_program("spire-api")), str(bundle), str(os.getuid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        configuration = self._folder / "agent.conf"
        configuration.write_text(_CONFIGURATION.format(port=self._said(), folder=self._folder))
        self._agent = subprocess.Popen(
            [str(self._program), "run", "-config", str(configuration), "-joinToken", "once"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._agent, self._server):
            if process is not None:
                process.kill()
                process.communicate(timeout=DEADLINE_S)

    @property
    def socket(self) -> Path:
        """Of its Workload API."""
        return self._folder / "agent.sock"

    @property
    def bundle(self) -> bytes:
        """The trust domain's authority, PEM."""
        return (self._folder / "bundle.pem").read_bytes()

    def give(self, spiffe_id: str, *, life_s: int) -> None:
        """An entry for processes of this user, instead of the one before."""
        self._tell(f"give {spiffe_id} {life_s}")

    def take(self) -> None:
        """No entry any more."""
        self._tell("take")

    def fetch(self, socket: Path) -> str:
        """What the agent's command line gets from a Workload API."""
        command = [str(self._program), "api", "fetch", "x509", "-socketPath", str(socket)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=2 * DEADLINE_S, check=False
        )
        return done.stdout + done.stderr

    def _tell(self, text: str) -> None:
        assert self._server is not None
        assert self._server.stdin is not None
        self._server.stdin.write(f"{text}\n")
        self._server.stdin.flush()
        assert self._said() == text.split()[0]

    def _said(self) -> str:
        assert self._server is not None
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()
