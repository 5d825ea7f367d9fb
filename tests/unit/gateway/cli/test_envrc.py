"""`gateway.cli.envrc`, `envrc_start` and `envrc_holder`, with a direnv that only takes note; the
real one is in tests/e2e/envrc.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.cli.envrc import own_text, remove_value_free
from gateway.cli.envrc_holder import all_sessions, record_end, sweep_sessions
from gateway.cli.main import main
from gateway.injection.agents import agent_in
from gateway.injection.envrc_sessions import Session

VALUE = "value of the key"
CONFIG = """
project = "acme"
[secrets]
store = "folder"
folder = "kept"
[run.env]
KEY = "secret:key"
OTHER = "plain"
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with one secret, and what stands for direnv."""
    for name in [name for name in os.environ if agent_in({name: os.environ[name]})]:
        monkeypatch.delenv(name)
    (workdir / "devwiz-gw.toml").write_text(CONFIG)
    (workdir / "kept").mkdir(mode=0o700)
    (workdir / "kept" / "key").touch(0o600)
    (workdir / "kept" / "key").write_text(VALUE)
    programs = workdir / "programs"
    programs.mkdir()
    (programs / "direnv").write_text(f'#!/bin/sh\necho "$@" >> {workdir}/asked\n')
    (programs / "direnv").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(workdir / "data"))
    yield workdir
    main(["envrc", "stop", "--all"])


def the_session() -> Session:
    (session,) = all_sessions().all()
    return session


def events(folder: Path) -> list[tuple[str, str]]:
    path = folder / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(event["action"], event["outcome"]) for event in map(json.loads, lines)]


def test_from_start_to_stop(folder: Path, capsys: Capture) -> None:
    assert main(["envrc", "start", "--for", "5m"]) == 0
    assert "direnv gives KEY, OTHER to shells in" in capsys.readouterr().err
    envrc = folder / ".envrc"
    assert envrc.read_text() == own_text(folder)
    assert VALUE not in envrc.read_text()
    assert (folder / "asked").read_text() == f"allow {envrc}\n"
    session = the_session()
    assert (session.project, session.only, session.head) == ("acme", (), "")
    assert 0 < session.until - time.time() <= 300
    assert main(["envrc", "start"]) == 1
    assert "there is a session in" in capsys.readouterr().err
    assert main(["envrc", "export", "--session", session.id]) == 0
    out = capsys.readouterr().out
    assert f"export KEY=$'{VALUE}'" in out
    assert "export OTHER=$'plain'" in out
    assert main(["envrc", "stop", "--remove"]) == 0
    assert f"{envrc} is removed" in capsys.readouterr().err
    assert all_sessions().all() == []
    assert not envrc.exists()
    assert main(["envrc", "export", "--session", session.id]) == 1
    assert "it has ended" in capsys.readouterr().err
    assert events(folder) == [
        ("envrc.start", "ok"),
        ("secret.inject", "ok"),
        ("envrc.stop", "ok"),
    ]


def test_only_some_of_them(folder: Path, capsys: Capture) -> None:
    assert main(["envrc", "start", "--only", "OTHER"]) == 0
    assert main(["envrc", "export", "--session", the_session().id]) == 0
    out = capsys.readouterr().out
    assert ("OTHER" in out, VALUE in out) == (True, False)
    main(["envrc", "status"])
    assert "OTHER" in capsys.readouterr().out
    main(["envrc", "status", "--json"])
    (told,) = json.loads(capsys.readouterr().out)["sessions"]
    assert (told["only"], told["literal"], told["project"]) == (["OTHER"], False, "acme")


def test_with_values(folder: Path, capsys: Capture) -> None:
    assert main(["envrc", "start", "--literal"]) == 0
    envrc = folder / ".envrc"
    assert VALUE in envrc.read_text()
    assert stat.S_IMODE(envrc.stat().st_mode) == 0o600
    assert VALUE not in "".join(path.read_text() for path in (folder / "state").rglob("*.json*"))
    assert main(["envrc", "stop"]) == 0
    assert not envrc.exists()
    assert VALUE not in capsys.readouterr().err


@pytest.mark.parametrize("literal", [(), ("--literal",)])
def test_an_envrc_of_somebody_s_stays(
    folder: Path, literal: tuple[str, ...], capsys: Capture
) -> None:
    envrc = folder / ".envrc"
    envrc.write_text("export MINE=1\n")
    assert main(["envrc", "start", *literal]) == 1
    assert "is yours, and stays as it is" in capsys.readouterr().err
    assert envrc.read_text() == "export MINE=1\n"
    assert all_sessions().all() == []
    assert not remove_value_free(folder)
    # With our lines among its own it will do, but not with values.
    envrc.write_text("export MINE=1\n" + own_text(folder))
    assert main(["envrc", "start", *literal]) == (1 if literal else 0)
    assert envrc.read_text().startswith("export MINE=1\n")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.partition("[run.env]")[0], "no variables under [run.env]"),
        (lambda text: text.replace("OTHER", "LD_PRELOAD"), "problem in the configuration"),
        (lambda text: text.replace("secret:key", "secret:none"), ""),
        (lambda text: text + '[mfa]\ntouch = ["command:run"]\n', "no security key is enrolled"),
    ],
)
def test_what_can_not_begin_leaves_nothing(
    folder: Path, change: object, why: str, capsys: Capture
) -> None:
    assert callable(change)
    (folder / "devwiz-gw.toml").write_text(change(CONFIG))
    assert main(["envrc", "start", "--literal"]) == 1
    assert why in capsys.readouterr().err
    assert not (folder / ".envrc").exists()
    assert all_sessions().all() == []
    assert not list((folder / "state" / "devwiz-gw" / ".envrc").glob("*.json"))


def test_an_agent_begins_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from gateway.cli import approval

    monkeypatch.setenv("CLAUDECODE", "1")
    monkeypatch.setattr(approval, "_says_yes", lambda _question: False)
    for literal in ((), ("--literal",)):
        assert main(["envrc", "start", *literal]) == 1
        assert "asks for KEY, OTHER in shells" in capsys.readouterr().err
    assert not (folder / ".envrc").exists()
    assert events(folder) == [("secret.inject", "denied")] * 2


def test_without_direnv(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("PATH", str(folder / "nothing"))
    assert main(["envrc", "start"]) == 1
    assert "direnv is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("time_", ["0s", "8d", "1w", "-1h", "nan"])
def test_a_time_that_is_none(folder: Path, time_: str, capsys: Capture) -> None:
    assert main(["envrc", "start", f"--for={time_}"]) == 2
    assert "argument --for: " in capsys.readouterr().err
    assert all_sessions().all() == []


def test_a_folder_that_is_none(folder: Path, capsys: Capture) -> None:
    assert main(["envrc", "print", "--folder", "none"]) == 2
    assert "none is no folder" in capsys.readouterr().err
    (folder / "below").mkdir()
    assert main(["envrc", "print", "--folder", "below"]) == 0
    assert own_text(folder / "below").rstrip("\n") in capsys.readouterr().out


@pytest.mark.parametrize("session", ["0" * 16, "../../x", ""])
def test_a_session_that_is_none(folder: Path, session: str, capsys: Capture) -> None:
    assert main(["envrc", "export", "--session", session]) == 1
    captured = capsys.readouterr()
    assert ("no such session" in captured.err, captured.out) == (True, "")


def test_one_whose_process_was_killed_is_swept(folder: Path, capsys: Capture) -> None:
    sessions = all_sessions()
    lock = sessions.lock("0" * 16)
    assert lock is not None
    until = time.time() + timedelta(hours=1).total_seconds()
    config = str(folder / "devwiz-gw.toml")
    session = Session(
        id="0" * 16, folder=str(folder), config=config, project="acme", only=(), until=until
    )
    sessions.write(session, lock, now=time.time())
    assert [item.id for item in sessions.all()] == ["0" * 16]
    lock.close()
    sweep_sessions()
    assert not sessions.file("0" * 16).exists()
    record_end(session, "told to")
    assert events(folder) == [("envrc.stop", "ok")] * 2
    assert main(["envrc", "status"]) == 0
    assert "there is no session" in capsys.readouterr().err
