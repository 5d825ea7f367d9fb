"""Shells get the variables while a session lasts, from an `.envrc` without values."""

from __future__ import annotations

import os
import signal
import stat

import pytest

from tests.e2e.envrc.conftest import Envrc, Shell, wait_until
from tests.e2e.run.conftest import CONFIG, KEY, PASSWORD

WILD = "a'b\"c\\d $(touch pwned) `x`\n\té€ !{}~#\r end"


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_shell_through_sessions_that_come_and_go(envrc: Envrc, name: str) -> None:
    shell = Shell(envrc.project, name)
    for only, url in (
        ("API_KEY,DB_URL", f"postgres://app:{PASSWORD}@localhost/app"),
        ("API_KEY", ""),
    ):
        # More than one in the same second: direnv doesn't see shorter times than that.
        envrc.start("--only", only)
        assert (shell.has("API_KEY"), shell.has("DB_URL")) == (KEY, url)
        assert envrc.run("stop")[0] == 0
        assert (shell.has("API_KEY"), shell.has("DB_URL")) == ("", "")
    shell.close()


def test_a_session_that_is_exchanged_between_two_prompts(envrc: Envrc) -> None:
    shell = Shell(envrc.project, "bash")
    envrc.start("--only", "API_KEY")
    assert shell.has("API_KEY") == KEY
    envrc.run("stop")
    envrc.start("--only", "DB_URL")
    assert (shell.has("API_KEY"), shell.has("DB_URL")[:8]) == ("", "postgres")
    shell.close()


def test_no_value_is_on_the_disk(envrc: Envrc) -> None:
    envrc.start()
    Shell(envrc.project, "bash").close()
    for file in envrc.project.folder.rglob("*"):
        if file.is_file() and file.parent.name != "secrets":
            assert KEY.encode() not in file.read_bytes(), file
    assert stat.S_IMODE(envrc.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(envrc.session_file().stat().st_mode) == 0o600


def test_any_value_arrives_as_it_is(envrc: Envrc) -> None:
    (envrc.project.folder / "secrets" / "key").write_bytes(WILD.encode())
    envrc.start("--only", "API_KEY")
    shell = Shell(envrc.project, "bash")
    shell.says("printenv API_KEY > seen")
    shell.close()
    assert (envrc.project.folder / "seen").read_bytes() == WILD.encode() + b"\n"
    assert not (envrc.project.folder / "pwned").exists()


def test_what_ends_a_session(envrc: Envrc) -> None:
    def ended() -> bool:
        return not list(envrc.sessions.glob("*.json"))

    envrc.start("--for", "1s")
    wait_until(ended)
    envrc.start()
    os.kill(envrc.holder(), signal.SIGTERM)
    wait_until(ended)
    envrc.start()
    os.kill(envrc.holder(), signal.SIGKILL)
    assert envrc.run("status")[2] == "there is no session\n"
    assert ended()
    ends = [line for line in envrc.journal() if line["action"] == "envrc.stop"]
    assert [line["reason"] for line in ends] == [
        "its time is up",
        "told to",
        "its process was gone",
    ]


def test_a_session_without_its_process_gives_nothing(envrc: Envrc) -> None:
    envrc.start()
    session = envrc.session_file().stem
    assert KEY in envrc.run("export", "--session", session)[1]
    os.kill(envrc.holder(), signal.SIGKILL)
    code, out, err = envrc.run("export", "--session", session)
    assert (code, out) == (1, "")
    assert "there is no such session" in err
    assert envrc.run("export", "--session", "../../x")[0] == 1


def test_each_load_is_on_record(envrc: Envrc) -> None:
    envrc.start("--only", "API_KEY")
    Shell(envrc.project, "bash").close()
    actions = [(line["action"], line["name"]) for line in envrc.journal()]
    assert actions == [("envrc.start", str(envrc.project.folder)), ("secret.inject", "key")]


def test_an_agent_gets_no_session_and_no_value(envrc: Envrc) -> None:
    envrc.start()
    session = envrc.session_file().stem
    envrc.project.env["CLAUDECODE"] = "1"
    code, out, err = envrc.run("export", "--session", session)
    assert (code, out) == (1, "")
    assert "Claude Code asks for API_KEY, DB_URL in direnv" in err
    envrc.run("stop")
    for words in (("start",), ("start", "--literal")):
        code, _, err = envrc.run(*words)
        assert code == 1
        assert "Claude Code asks" in err
        assert not list(envrc.sessions.glob("*.json"))


def test_an_envrc_of_the_persons_own_stays(envrc: Envrc) -> None:
    envrc.file.write_text("export MINE=1\n")
    for words in (("start",), ("start", "--literal")):
        code, _, err = envrc.run(*words)
        assert (code, envrc.file.read_text()) == (1, "export MINE=1\n")
        assert "is yours, and stays as it is" in err
    lines = envrc.run("print")[1]
    envrc.file.write_text("export MINE=1\n" + lines)
    envrc.start()
    shell = Shell(envrc.project, "bash")
    assert shell.has("API_KEY") == "", "a person's own file is the person's to allow"
    shell.says("direnv allow")
    assert (shell.has("MINE"), shell.has("API_KEY")) == ("1", KEY)
    envrc.run("stop", "--remove")
    assert (shell.has("MINE"), shell.has("API_KEY")) == ("1", "")
    shell.close()
    assert envrc.file.read_text() == "export MINE=1\n" + lines


def test_a_program_is_not_given_what_direnv_loaded(envrc: Envrc) -> None:
    envrc.start()
    shell = Shell(envrc.project, "bash")
    command = f"{envrc.project.env['PYTHON']} -m gateway.cli.main run --only API_KEY -- env > seen"
    shell.says(command)
    shell.close()
    seen = (envrc.project.folder / "seen").read_text()
    assert f"API_KEY={KEY}" in seen
    assert "DB_URL" not in seen
    assert "DIRENV" not in seen
    assert "DEVWIZ_GW_ENVRC" not in seen


def test_one_session_a_folder_and_what_status_tells(envrc: Envrc) -> None:
    said = envrc.start("--only", "API_KEY", "--for", "2h")
    assert "direnv gives API_KEY to shells in" in said
    assert KEY not in said
    code, _, err = envrc.run("start")
    assert code == 1
    assert "there is a session in" in err
    out = envrc.run("status")[1]
    assert str(envrc.project.folder) in out
    assert "1h 59m" in out
    assert '"literal": false' in envrc.run("status", "--json")[1]
    envrc.run("stop", "--remove")
    assert not envrc.file.exists()


@pytest.mark.parametrize("length", ["0s", "8d", "999999999d"])
def test_a_length_that_is_none(envrc: Envrc, length: str) -> None:
    code, _, err = envrc.run("start", "--for", length)
    assert code == 2
    assert "is not between 1s and 7d" in err


def test_a_session_that_cant_begin(envrc: Envrc) -> None:
    (programs := envrc.project.folder / "programs").mkdir()
    (programs / "direnv").write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    (programs / "direnv").chmod(0o755)
    usual = envrc.project.env["PATH"]
    envrc.project.env["PATH"] = f"{programs}:{usual}"
    code, _, err = envrc.run("start", "--literal")
    envrc.project.env["PATH"] = usual
    assert code == 1
    assert "direnv doesn't allow" in err
    assert not envrc.file.exists()
    assert not list(envrc.sessions.glob("*.json"))
    end = envrc.journal()[-1]
    assert (end["action"], end["reason"]) == ("envrc.stop", "it could not begin")


def test_a_name_that_the_manifest_lost(envrc: Envrc) -> None:
    envrc.start("--only", "API_KEY")
    config = envrc.project.folder / "devwiz-gw.toml"
    config.write_text(CONFIG.replace("API_KEY", "OTHER"))
    code, out, err = envrc.run("export", "--session", envrc.session_file().stem)
    assert (code, out) == (1, "")
    assert "API_KEY is not under [run.env]" in err
