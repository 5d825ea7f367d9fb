"""Sessions of `envrc` end with their gateway; its start clears what a crash left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.components import require_component
from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess

MORE = """
[secrets]
store = "folder"
folder = "secrets"
[run.env]
API_KEY = "secret:key"
"""


@pytest.fixture
def envrc(gateway: GatewayProcess) -> Path:
    require_component("direnv")
    (gateway.folder / "secrets").mkdir(mode=0o700)
    (gateway.folder / "secrets" / "key").write_text("canary-key-value")
    (gateway.folder / "secrets" / "key").chmod(0o600)
    gateway.configure(more=MORE)
    gateway.env["HOME"] = str(gateway.folder)
    return gateway.folder / ".envrc"


def begin(gateway: GatewayProcess, envrc: Path) -> None:
    done = gateway.command("envrc", "start", "--literal", "--folder", str(gateway.folder))
    assert done.returncode == 0, done.stderr
    assert "canary-key-value" in envrc.read_text()


def sessions(gateway: GatewayProcess, kind: str) -> list[Path]:
    return list((gateway.folder / "state" / "devwiz-gw" / ".envrc").glob(f"*.{kind}"))


def test_the_gateway_ends(gateway: GatewayProcess, envrc: Path) -> None:
    gateway.start()
    gateway.until_ready()
    begin(gateway, envrc)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait()[0] == 0
    assert not envrc.exists()
    assert sessions(gateway, "json") == []


def test_a_session_was_killed_before(gateway: GatewayProcess, envrc: Path) -> None:
    begin(gateway, envrc)
    (lock,) = sessions(gateway, "lock")
    os.kill(int(lock.read_text().split()[0]), signal.SIGKILL)
    gateway.start()
    gateway.until_ready()
    end = time.monotonic() + DEADLINE_S
    while envrc.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert sessions(gateway, "json") == []
