"""A command with an agent's marks gets no values unless the person at the terminal says yes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.e2e.run.conftest import COMMAND, CONFIG, DEADLINE_S, KEY, Project, Terminal


def test_without_a_terminal_nobody_can_say_yes(project: Project) -> None:
    project.env["CLAUDECODE"] = "1"
    with project.start("--", "env", start_new_session=True) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, b"")
    assert b"Claude Code asks for API_KEY, DB_URL in env" in err


def test_an_empty_environment_hides_no_agent(project: Project) -> None:
    """`env -i`, or a script in between: the marks are still those of the process before it."""
    command = [*COMMAND, "--", "env"]
    scrubbed = [f"{name}={value}" for name, value in project.env.items()]
    between = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", between, "env", "-i", *scrubbed, *command],
        cwd=project.folder,
        env=project.env | {"CLAUDECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
        start_new_session=True,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"Claude Code asks for API_KEY, DB_URL in env" in done.stderr


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_the_person_is_asked(project: Project, answer: str, code: int) -> None:
    project.env["CURSOR_TRACE_ID"] = "x"
    terminal = Terminal(project, "--only", "API_KEY", "--", "sh", "-c", "echo got $API_KEY")
    terminal.wait_for("Cursor asks for API_KEY in sh. Give it? [y/N] ")
    terminal.type(f"{answer}\r")
    assert os.waitstatus_to_exitcode(terminal.wait()) == code
    assert (f"got {KEY}" in terminal.seen) is (code == 0)
    terminal.close()


def test_what_was_typed_before_the_question_is_no_answer(project: Project) -> None:
    project.env["CURSOR_TRACE_ID"] = "x"
    terminal = Terminal(project, "--only", "API_KEY", "--", "sh", "-c", "echo got $API_KEY")
    terminal.type("y\r")
    terminal.wait_for("Give it? [y/N] ")
    terminal.type("n\r")
    assert os.waitstatus_to_exitcode(terminal.wait()) == 1
    assert KEY not in terminal.seen
    terminal.close()


def test_a_program_without_values_needs_no_word(project: Project) -> None:
    config = CONFIG.partition("[run]")[0]
    (project.folder / "devwiz-gw.toml").write_text(config)
    project.env["CLAUDECODE"] = "1"
    assert project.run("--", "echo", "ran")[:2] == (0, "ran\n")
