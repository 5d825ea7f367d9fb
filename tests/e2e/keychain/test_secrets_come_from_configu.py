"""What Configu has is in the desktop's keychain after a sync."""

from __future__ import annotations

import json
import subprocess

from tests.e2e.keychain.conftest import COMMAND, Desktop
from tests.fakes.configu_server import TOKEN, UNUSED_ROUTE, ConfiguServer


def done(desktop: Desktop, *arguments: str, said: str = "") -> str:
    result = subprocess.run(
        [*COMMAND, *arguments],
        cwd=desktop.folder,
        env=desktop.env,
        input=said,
        text=True,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "canary" not in result.stdout + result.stderr
    return result.stdout


def test_a_sync_writes_into_the_keychain(desktop: Desktop) -> None:
    with ConfiguServer() as configu:
        configu.configs = {("", "A"): "canary-a", ("prod", "B"): "canary-b" * 1000}
        config = UNUSED_ROUTE + configu.table("app.cfgu.yaml", 'set = "prod"')
        (desktop.folder / "devwiz-gw.toml").write_text(f'project = "acme"\n{config}')
        (desktop.folder / "app.cfgu.yaml").write_text("keys:\n  A:\n  B:\n    required: true\n")
        done(desktop, "login", "configu", said=TOKEN)
        done(desktop, "sync")
        assert desktop.secret("get", "A").stdout == b"canary-a"
        assert desktop.secret("get", "B").stdout == b"canary-b" * 1000
        told = json.loads(done(desktop, "sync", "--status", "--json"))
        assert {item["name"]: item["state"] for item in told["configs"]} == {
            "A": "same",
            "B": "same",
        }
        listed = json.loads(desktop.secret("list", "--json").stdout)["secrets"]
        assert [item["name"] for item in listed if item["kept"]] == ["A", "B"]
        done(desktop, "logout", "configu")
        assert (
            "signed out"
            in subprocess.run(
                [*COMMAND, "login", "--status"],
                cwd=desktop.folder,
                env=desktop.env,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            ).stdout
        )
