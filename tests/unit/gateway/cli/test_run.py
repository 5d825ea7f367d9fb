"""`gateway.cli.run` and `run_rotating`, as far as no program is started: see tests/e2e/run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.cli.parsers import UsageError
from gateway.cli.run_rotating import policies
from gateway.cli.snapshot import Snapshot
from gateway.injection.agents import agent_in

CONFIG = """
project = "acme"
[secrets]
store = "folder"
folder = "kept"
[run.env]
KEY = "secret:key"
TOKEN = "token:none"
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if agent_in({name: os.environ[name]})]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    (workdir / "devwiz-gw.toml").write_text(CONFIG)
    (workdir / "kept").mkdir(mode=0o700)
    (workdir / "kept" / "key").touch(0o600)
    (workdir / "kept" / "key").write_text("value")
    return workdir


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ([], 2, "no command is named"),
        (["--"], 2, "no command is named"),
        (["--only", "NONE", "--", "true"], 1, "NONE is not under [run.env]"),
        (["--env", "X=plain", "--", "true"], 1, "not of the form NAME=secret:x"),
        (["--env", "X=secret:other", "--", "true"], 1, "may not be given to programs"),
        (["--env", "PATH=secret:key", "--", "true"], 1, "decides which program runs"),
        (["--on-rotate", "signal:KILL", "--", "true"], 2, "--on-rotate: "),
        (["--only", "TOKEN", "--", "true"], 1, "1 problem in the configuration"),
    ],
)
def test_what_is_not_run(
    folder: Path, arguments: list[str], code: int, why: str, capsys: Capture
) -> None:
    assert main(["run", *arguments]) == code
    assert why in capsys.readouterr().err


def test_without_a_configuration(folder: Path, capsys: Capture) -> None:
    (folder / "devwiz-gw.toml").unlink()
    assert main(["run", "--", "true"]) == 2
    assert "no configuration file" in capsys.readouterr().err


ROTATE = {
    "db": {"provider": "prompt", "on_switch": "restart"},
    "api": {"provider": "prompt", "secret": "api-key", "on_switch": "signal:HUP"},
    "left": {"provider": "prompt"},
    "odd": {"on_switch": "explode"},
    "none": 1,
}


def test_what_is_done_at_a_switch() -> None:
    snapshot = Snapshot(raw={"rotate": ROTATE})
    names = ["db", "api-key", "left", "odd", "api"]
    assert policies(snapshot, names, said=None) == {"db": "restart", "api-key": "signal:HUP"}
    assert policies(snapshot, ["other"], said=None) == {}
    assert policies(snapshot, names, said="leave") == {}
    assert policies(snapshot, ["db", "x"], said="signal:TERM") == {
        "db": "signal:TERM",
        "x": "signal:TERM",
    }
    assert policies(Snapshot(raw={"rotate": 1}), names, said=None) == {}
    with pytest.raises(UsageError, match="--on-rotate"):
        policies(snapshot, names, said="explode")
