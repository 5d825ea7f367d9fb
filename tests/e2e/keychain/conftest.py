"""A work folder with a configuration, on a desktop with a keychain of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.secret_service import SessionBus, gnome_keyring, session_bus

COMMAND = (sys.executable, "-m", "gateway")

CONFIG = """
project = "acme"
[[routes]]
name = "planner"
[routes.headers]
Authorization = "Bearer {secret:planner-token}"
"""


class Desktop:
    """Runs `devwiz-gw secret` in the session of a person."""

    def __init__(self, folder: Path, bus: SessionBus) -> None:
        self.folder = folder
        self.bus = bus
        root = Path(__file__).parents[3]
        self.env = bus.env | {"PYTHONPATH": str(root), "TERM": "dumb"}

    def secret(
        self, *arguments: str, value: bytes = b"", pass_fds: Sequence[int] = (), **more: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """The finished command, `value` having been its standard input."""
        return subprocess.run(
            [*COMMAND, "secret", *arguments],
            cwd=self.folder,
            env=self.env,
            input=value,
            capture_output=True,
            timeout=30,
            check=False,
            pass_fds=pass_fds,
            **more,
        )


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    work = tmp_path / "work"
    work.mkdir()
    (work / "devwiz-gw.toml").write_text(CONFIG, encoding="utf-8")
    with session_bus(tmp_path) as bus, gnome_keyring(bus):
        yield Desktop(work, bus)
