"""A real keychain that is locked, at a desk where nobody can be asked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.fakes.authority import Authority
from tests.fakes.gateway_process import COMMAND, GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.fakes.secret_service import gnome_keyring, session_bus

_HEADERS = '[routes.headers]\nAuthorization = "Bearer {secret:planner-token}"\n'


def test_it_is_told_and_nothing_is_sent(
    gateway: GatewayProcess, upstream: ScriptedUpstream, tmp_path: Path, authority: Authority
) -> None:
    gateway.configure(more=_HEADERS)
    desk = tmp_path / "desk"
    desk.mkdir()
    root = str(Path(__file__).parents[3])
    with session_bus(desk) as bus, gnome_keyring(bus):
        env = bus.env | {"PYTHONPATH": root, "TERM": "dumb"}
        config = ("--config", str(gateway.config))

        def run(*arguments: str, said: bytes = b"") -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(
                [*COMMAND, *arguments, *config],
                env=env,
                input=said,
                capture_output=True,
                timeout=50,
                check=False,
            )

        assert run("secret", "set", "planner-token", said=b"canary").returncode == 0
        opened = json.loads(run("doctor", "--json").stdout)
        bus.lock()
        locked = json.loads(run("doctor", "--json").stdout)
    kept = next(item for item in opened["findings"] if item["rung"] == "secrets")
    assert kept["detail"] == "the keychain opens, and keeps planner-token"
    found = next(item for item in locked["findings"] if item["rung"] == "secrets")
    assert found["result"] == "fail"
    assert "the keychain is locked" in found["detail"]
    assert found["remedy"]
    http = next(item for item in locked["findings"] if item["rung"] == "http")
    assert http["reason"] == "route_unavailable"
    assert b"canary" not in json.dumps([opened, locked]).encode()
