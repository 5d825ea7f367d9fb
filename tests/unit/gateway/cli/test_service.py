from __future__ import annotations

import plistlib
from pathlib import Path

import pytest

from gateway.cli.main import main

CONFIG = """
project = "acme"
[identity]
source = "spiffe"
[[routes]]
name = "planner"
listen = "127.0.0.1:18081"
upstream = "https://localhost"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    path = tmp_path / "gw.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return str(path)


def test_print_writes_nothing(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--manager", "systemd", "--config", config)
    assert main(["service", "print", *chosen, "--socket-activation"]) == 0
    shown = capsys.readouterr().out
    assert f"# {tmp_path}/.config/systemd/user/devwiz-gw-acme.socket" in shown
    assert "ListenStream=127.0.0.1:18081" in shown
    assert f"serve --config {config}" in shown
    assert not (tmp_path / ".config").exists()


def test_for_macos(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "print", "--manager", "launchd", "--config", config]) == 0
    found = plistlib.loads(capsys.readouterr().out.encode())
    assert found["Label"] == "devwiz-gw-acme"
    assert found["ProgramArguments"][1:] == ["serve", "--config", config]
    asked = ["--manager", "launchd", "--socket-activation", "--config", config]
    assert main(["service", "print", *asked]) == 2
    assert "are for systemd" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--run-as", "a"], "--run-as is for --system"),
        (["--listen", "127.0.0.1:1"], "--listen is for --issuer"),
        (["--name", "a/b"], "is no name for a service"),
        (["--vault-credential", "f"], "unlocks a vault"),
        (["--issuer", "missing"], "is no folder of an issuer"),
        (["--issuer", "missing", "--socket-activation"], "are for a gateway"),
    ],
)
def test_what_does_not_fit_is_refused(
    config: str, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    chosen = ["--manager", "systemd", "--config", config]
    assert main(["service", "print", *chosen, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_system_s_service_has_no_keychain(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["service", "print", "--system", "--manager", "systemd", "--config", config]
    assert main(asked) == 1
    assert "has no keychain" in capsys.readouterr().err


def test_what_was_written_is_told_where_the_manager_is_out_of_reach(
    config: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = tmp_path / "bin/systemctl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'Failed to connect to bus: No such file' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    asked = ["service", "install", "--manager", "systemd", "--config", config]
    assert main(asked) == 1
    told = capsys.readouterr()
    unit = tmp_path / ".config/systemd/user/devwiz-gw-acme.service"
    assert told.out == f"wrote {unit}\n"
    assert unit.exists()
    assert "loginctl enable-linger" in told.err
    assert main([*asked, "--dry-run"]) == 0
    assert capsys.readouterr() == ("", "nothing would change\n")
