"""A program under `run` is started again or signalled when a secret of it is switched."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.rotation.book import Book
from gateway.rotation.record import Rotation
from tests.e2e.run.conftest import DEADLINE_S, KEY, Project

NEW = "canary-key-second"
ROTATE = """
[rotate.key]
provider = "prompt"
on_switch = "restart"
"""


def book(project: Project) -> Book:
    return Book(project.folder / "state" / "devwiz-gw" / "acme")


def switch(project: Project, value: str) -> None:
    """What a rotation does to a secret."""
    now = datetime.now(UTC)
    begun = Rotation(
        id="0a", name="key", secret="key", provider="prompt", phase="published",
        started_at=now, changed_at=now, switching=True, version=1,
    )  # fmt: skip
    book(project).write(begun)
    (project.folder / "secrets" / "key").write_text(value)
    book(project).write(replace(begun, phase="switched", switched_at=now))


def until(path: Path, text: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not path.exists() or text not in path.read_text():
        assert time.monotonic() < end, path.read_text() if path.exists() else "nothing"
        time.sleep(0.02)


def finish(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE_S)
    return process.returncode


def sleeping(out: Path, variable: str) -> str:
    return f'echo "got {variable}" >> {out}; exec sleep 60'


@pytest.mark.parametrize("options", [(), ("--mask",), ("--on-rotate", "restart")])
def test_it_is_started_again_with_the_new_value(options: tuple[str, ...], project: Project) -> None:
    with (project.folder / "devwiz-gw.toml").open("a") as config:
        config.write(ROTATE)
    out = project.folder / "out"
    with project.start(*options, "--", "sh", "-c", sleeping(out, "$API_KEY")) as process:
        until(out, f"got {KEY}")
        switch(project, NEW)
        until(out, f"got {NEW}")
        assert finish(process) == -signal.SIGTERM
    assert out.read_text().count("got") == 2


def test_it_finds_the_new_value_in_its_file_when_it_is_signalled(project: Project) -> None:
    out = project.folder / "out"
    script = f"trap 'cat $API_KEY_FILE >> {out}' HUP; cat $API_KEY_FILE > {out}; "
    script += "while :; do sleep 0.05; done"
    options = ("--deliver", "file", "--on-rotate", "signal:HUP")
    with project.start(*options, "--", "sh", "-c", script) as process:
        until(out, KEY)
        switch(project, NEW)
        until(out, KEY + NEW)
        assert finish(process) == -signal.SIGTERM


def test_a_value_that_can_not_be_had_leaves_it_running(project: Project) -> None:
    out = project.folder / "out"
    options = ("--on-rotate", "restart")
    with project.start(*options, "--", "sh", "-c", sleeping(out, "$API_KEY")) as process:
        until(out, f"got {KEY}")
        (project.folder / "secrets" / "password").unlink()
        switch(project, NEW)
        assert process.stderr is not None
        assert b"not set" in process.stderr.readline()
        assert process.poll() is None
        (project.folder / "secrets" / "password").write_text("back")
        assert finish(process) == -signal.SIGTERM
    assert out.read_text().count("got") == 1


def test_its_exit_code_is_that_of_the_program(project: Project) -> None:
    options = ("--on-rotate", "restart")
    assert project.run(*options, "--", "sh", "-c", "exit 7")[0] == 7
    assert project.run(*options, "--", "no-such-command")[0] == 127
    code, _, err = project.run("--on-rotate", "explode", "--", "true")
    assert code == 2
    assert "'explode' is not known" in err
