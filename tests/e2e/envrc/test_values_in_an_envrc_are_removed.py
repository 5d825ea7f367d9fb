"""`--literal`: an `.envrc` with values, private, kept out of git, and gone with its session."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.e2e.envrc.conftest import GATEWAY, Envrc, Shell, wait_until
from tests.e2e.run.conftest import KEY, PASSWORD, Terminal


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def test_from_start_to_stop(envrc: Envrc) -> None:
    home = Path(envrc.project.env["HOME"])
    git(envrc.project.folder, "init", "-q")
    envrc.start("--literal")
    assert KEY in envrc.file.read_text()
    assert stat.S_IMODE(envrc.file.stat().st_mode) == 0o600
    assert ".envrc" not in git(envrc.project.folder, "status", "--porcelain").split()
    assert KEY not in envrc.session_file().read_text()
    shell = Shell(envrc.project, "bash")
    assert (shell.has("API_KEY"), PASSWORD in shell.has("DB_URL")) == (KEY, True)
    assert envrc.run("stop")[0] == 0
    assert not envrc.file.exists()
    assert not list((home / ".local/share/direnv/allow").iterdir())
    assert shell.has("API_KEY") == ""
    shell.close()


def test_two_in_the_same_second(envrc: Envrc) -> None:
    shell = Shell(envrc.project, "bash")
    for only, other in (("API_KEY", "DB_URL"), ("DB_URL", "API_KEY"), ("API_KEY", "DB_URL")):
        envrc.start("--literal", "--only", only)
        assert shell.has(only)
        assert not shell.has(other)
        envrc.run("stop")
    shell.close()


@pytest.mark.parametrize("also", [[], ["envrc", "--literal"]], ids=["values", "half"])
def test_after_a_crash_the_next_one_removes_it(envrc: Envrc, also: list[str]) -> None:
    envrc.start("--literal")
    if also:  # as it is when the power went while it was written
        envrc.file.write_text(envrc.file.read_text()[:20])
    os.kill(envrc.holder(), signal.SIGKILL)
    assert envrc.file.exists()
    assert envrc.run("status")[0] == 0
    assert not envrc.file.exists()


def test_after_a_crash_a_file_of_the_persons_own_stays(envrc: Envrc) -> None:
    envrc.start("--literal")
    os.kill(envrc.holder(), signal.SIGKILL)
    envrc.file.unlink()
    envrc.file.write_text("# mine\n")
    assert envrc.run("status")[0] == 0
    assert envrc.file.read_text() == "# mine\n"


def test_in_the_foreground_it_ends_with_the_command(envrc: Envrc) -> None:
    terminal = Terminal(
        envrc.project, "start", "--literal", "--foreground", command=(*GATEWAY, "envrc")
    )
    terminal.wait_for("direnv gives API_KEY, DB_URL")
    wait_until(lambda: envrc.file.exists() and envrc.sessions.exists() and envrc.holder() > 0)
    terminal.type("\x03")
    assert os.waitstatus_to_exitcode(terminal.wait()) == 0
    terminal.close()
    assert not envrc.file.exists()


def test_one_that_git_has_is_refused(envrc: Envrc) -> None:
    git(envrc.project.folder, "init", "-q")
    envrc.file.write_text("export MINE=1\n")
    git(envrc.project.folder, "add", ".envrc")
    envrc.file.unlink()
    code, _, err = envrc.run("start", "--literal")
    assert code == 1
    assert "git has" in err
    assert not envrc.file.exists()


def test_a_link_is_not_followed(envrc: Envrc) -> None:
    target = envrc.project.folder / "target"
    envrc.file.symlink_to(target)
    for words in (("start", "--literal"), ("start",)):
        assert envrc.run(*words)[0] == 1
        assert not target.exists()
