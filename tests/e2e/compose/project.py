"""A compose project of a test's own: prepared, started, asked and ended."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.engine import Engine

COMMAND: Final = Path(sys.executable).with_name("devwiz-gw")
COMPOSE: Final = Path(__file__).parents[3] / "compose"
_BASE: Final = "devwiz-gw-base:local"
_PIP_OPTIONS: Final = "--no-index --find-links /src/compose/wheels"
_DEADLINE_S: Final = 40.0


class Project:
    """`docker-compose` in one folder. A context that ends with `down`."""

    def __init__(self, engine: Engine, folder: Path, file: str, *, life: str = "1h") -> None:
        self.engine = engine
        self.folder = folder
        self._file = file
        self._life = life
        # The default, the folder's own name, is that of all.
        self._name = folder.parent.name.lower()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run("down", "--timeout", "1", "--volumes", "--remove-orphans")

    def prepare(self, *, with_command: bool = True) -> None:
        """What a user does first, with the command on the host or with Docker alone."""
        chosen = self.settings()
        if not with_command:
            del chosen["DEVWIZ_GW"]
        self.engine.run(str(self.folder / "prepare"), more=chosen)

    def settings(self) -> dict[str, str]:
        """What a user chooses by the environment."""
        return {
            "DEVWIZ_GW": str(COMMAND),
            "DEVWIZ_BASE": _BASE,
            "DEVWIZ_PIP_OPTIONS": _PIP_OPTIONS,
            "DEVWIZ_CERT_TTL": self._life,
            "COMPOSE_PROJECT_NAME": self._name,
        }

    def run(self, *arguments: str, timeout: float = 120) -> str:
        """What `docker-compose ARGUMENTS` prints. Raises `AssertionError` with all it said."""
        options = ("--file", self._file, "--project-name", self._name)
        command = ("docker-compose", *options, *arguments)
        return self.engine.run(*command, timeout=timeout, cwd=self.folder)

    def up(self, *services: str) -> None:
        """Start the services and what they depend on; returns when these are healthy."""
        self.run("up", "--detach", "--no-build", *services, timeout=150)

    def container(self, service: str) -> str:
        """The id of the service's container."""
        labels = (f"project={self._name}", f"service={service}")
        filters = [f"--filter=label=com.docker.compose.{label}" for label in labels]
        return self.engine.docker("ps", "--all", "--quiet", "--no-trunc", *filters).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of the service's container."""
        found: dict[str, Any] = json.loads(self.engine.docker("inspect", self.container(service)))[
            0
        ]
        return found

    def shell(self, service: str, *command: str) -> str:
        """What a command prints in the service's container."""
        return self.engine.docker("exec", self.container(service), *command)

    def python(self, service: str, code: str, *arguments: str) -> str:
        """What a program prints that runs in the service's container."""
        return self.shell(service, "python3", "-c", code, *arguments)

    def status(self) -> dict[str, Any]:
        """The gateway's own view."""
        config = "/etc/devwiz-gw/devwiz-gw.toml"
        said = self.shell("gateway", "devwiz-gw", "status", "--json", "--config", config)
        shown: dict[str, Any] = json.loads(said)
        return shown

    def logs(self, service: str) -> list[str]:
        """The lines of the service's container."""
        command = ("docker", "logs", self.container(service))
        return self.engine.run("sh", "-c", 'exec "$@" 2>&1', "sh", *command).splitlines()

    def health(self, service: str) -> str:
        """What the engine thinks of the service's container: "starting", "healthy", …"""
        return str(self.inspect(service)["State"]["Health"]["Status"])

    def started(self, service: str) -> str:
        """When the service's container was started last."""
        return str(self.inspect(service)["State"]["StartedAt"])

    def work(self, *arguments: str) -> None:
        """Let a sample agent work for some seconds in the local agent's container."""
        agent = ("python3", "-m", "gateway.demo.local_agent", *arguments, "--seconds=0.1")
        said = self.shell("local-agent", *agent)
        assert said.endswith(" 0 failures\n"), said

    def rounds(self) -> list[str]:
        """What the local agent told of each of its rounds."""
        return [line for line in self.logs("local-agent") if line.startswith("tools ")]

    def wait(self, what: str, seen: Callable[[], bool]) -> None:
        """Wait until `seen()`; what the containers said is in the error."""
        deadline = time.monotonic() + _DEADLINE_S
        while not seen():
            if time.monotonic() > deadline:
                said = self.run("logs", "--tail", "15")
                raise AssertionError(f"{what}: not within {_DEADLINE_S:.0f} s\n{said}")
            time.sleep(0.3)


def copied(folder: Path) -> Path:
    """The compose folder as a clone has it, below `folder`."""
    left_out = shutil.ignore_patterns("state", "secrets", ".env", "*.whl")
    return Path(shutil.copytree(COMPOSE, folder / "compose", ignore=left_out))
