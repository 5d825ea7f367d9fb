"""When a session begins, whom it is refused, and what ends it."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.envrc.conftest import GATEWAY, Envrc, wait_until
from tests.e2e.run.conftest import CONFIG, KEY, Terminal


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


def test_an_agent_gets_a_session_if_the_person_says_yes(envrc: Envrc) -> None:
    envrc.project.env["CLAUDECODE"] = "1"
    words = ("start", "--only", "API_KEY")
    terminal = Terminal(envrc.project, *words, command=(*GATEWAY, "envrc"))
    terminal.wait_for("Claude Code asks for API_KEY in shells. Give it? [y/N] ")
    terminal.type("y\r")
    assert os.waitstatus_to_exitcode(terminal.wait()) == 0
    terminal.close()
    assert envrc.session_file().exists()


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
