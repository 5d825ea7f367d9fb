"""Shells get the variables while a session lasts, from an `.envrc` without values."""

from __future__ import annotations

import stat

import pytest

from tests.e2e.envrc.conftest import Envrc, Shell
from tests.e2e.run.conftest import KEY, PASSWORD

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


def test_each_load_is_on_record(envrc: Envrc) -> None:
    envrc.start("--only", "API_KEY")
    Shell(envrc.project, "bash").close()
    actions = [(line["action"], line["name"]) for line in envrc.journal()]
    assert actions == [("envrc.start", str(envrc.project.folder)), ("secret.inject", "key")]


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
    command = f"{envrc.project.env['PYTHON']} -m gateway run --only API_KEY -- env > seen"
    shell.says(command)
    shell.close()
    seen = (envrc.project.folder / "seen").read_text()
    assert f"API_KEY={KEY}" in seen
    assert "DB_URL" not in seen
    assert "DIRENV" not in seen
    assert "DEVWIZ_GW_ENVRC" not in seen
