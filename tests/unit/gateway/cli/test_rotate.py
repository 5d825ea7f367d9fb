"""`gateway.cli.rotate`, as far as it asks a person first."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.main import main

CONFIG = """
project = "acme"
[identity]
source = "files"
[identity.files]
certificate = "client.crt"
private_key = "client.key"
trust_bundle = "ca.pem"
[[routes]]
name = "planner"
listen = "127.0.0.1:8701"
upstream = "https://planner.example.com:8443"
peer = ["spiffe://acme.example/agent/planner"]
[admin]
socket = "unix:devwiz-gw.sock"
[secrets]
store = "folder"
folder = "secrets"
[rotate.db]
provider = "prompt"
[mfa]
touch = ["command:rotate"]
"""


def test_a_policy_puts_it_behind_a_touch(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    (workdir / "devwiz-gw.toml").write_text(CONFIG)
    (workdir / "secrets").mkdir(mode=0o700)
    assert main(["rotate", "db"]) == 1
    assert "no security key is enrolled" in capsys.readouterr().err
