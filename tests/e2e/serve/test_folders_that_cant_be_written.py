"""A read-only home or folder: the start fails at once, and says which file and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.components import require_component
from tests.fakes.gateway_process import GatewayProcess


def read_only(gateway: GatewayProcess, folder: Path) -> None:
    """Start the gateway where the folder can't be written: by root neither."""
    if os.geteuid() != 0:
        folder.chmod(0o500)
    else:
        script = f'mount --bind -o ro "{folder}" "{folder}" && exec "$@"'
        gateway.within = (require_component("unshare"), "--mount", "sh", "-c", script, "sh")
    gateway.start()


def test_a_home_without_room_for_the_journal(gateway: GatewayProcess) -> None:
    home = gateway.folder / "home"
    home.mkdir()
    gateway.env = {"HOME": str(home), "XDG_STATE_HOME": ""}
    read_only(gateway, home)
    code, out, err = gateway.wait()
    home.chmod(0o700)
    assert (code, out) == (1, "")
    assert f"error: can't write the audit journal {home}/.local/state/devwiz-gw/acme" in err
    assert "hint:" in err
    assert "Traceback" not in err
    assert not (gateway.folder / "admin.sock").exists()


@pytest.mark.parametrize("state", ["elsewhere"])
def test_a_folder_without_room_for_the_admin_socket(
    gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory, state: str
) -> None:
    gateway.env = {"XDG_STATE_HOME": str(tmp_path_factory.mktemp(state))}
    text = gateway.config.read_text().replace('file = "gw.log"', "")
    gateway.configure(text)
    read_only(gateway, gateway.folder)
    code, _, err = gateway.wait()
    gateway.folder.chmod(0o700)
    assert code == 1
    assert f"error: can't listen on {gateway.folder}/admin.sock" in err
    assert "hint: choose a folder that you can write to" in err
    assert "Traceback" not in err
