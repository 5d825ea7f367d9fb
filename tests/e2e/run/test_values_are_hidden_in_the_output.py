"""`--mask` on pipes and on a terminal: nothing of a value is shown, and all else at once."""

from __future__ import annotations

import os
import sys

from tests.e2e.run.conftest import KEY, PASSWORD, Project, Terminal


def test_on_pipes_both_outputs_are_looked_through(project: Project) -> None:
    script = "echo out $API_KEY; echo err $DB_URL >&2; printf %s $API_KEY | base64"
    code, out, err = project.run("--mask", "--", "sh", "-c", script)
    assert code == 0
    assert out.splitlines()[0] == "out [hidden]"
    assert "[hidden]" in out.splitlines()[1]
    assert err == "err [hidden]\n"


def test_a_secret_that_is_a_part_of_a_value_is_hidden_by_itself(project: Project) -> None:
    script = 'x=${DB_URL#*app:}; echo "part ${x%@*}"; printf %s "${x%@*}" | base64'
    code, out, _ = project.run("--mask", "--", "sh", "-c", script)
    assert code == 0
    assert out.splitlines()[0] == "part [hidden]"
    assert "[hidden]" in out.splitlines()[1]


def test_a_value_in_pieces(project: Project) -> None:
    script = (
        "import os, sys, time\n"
        "for char in os.environ['API_KEY'] + '!':\n"
        "    sys.stdout.write(char); sys.stdout.flush(); time.sleep(0.001)\n"
    )
    _, out, _ = project.run("--mask", "--", sys.executable, "-c", script)
    assert KEY not in out
    assert out.endswith("!")


def test_a_terminal_stays_one(project: Project) -> None:
    script = "test -t 0 && test -t 1 && test -t 2 && stty size && echo $API_KEY"
    terminal = Terminal(project, "--mask", "--", "sh", "-c", script)
    assert os.waitstatus_to_exitcode(terminal.wait()) == 0
    assert "[hidden]" in terminal.seen
    assert KEY not in terminal.seen
    terminal.close()


def test_a_prompt_is_shown_while_the_program_waits(project: Project) -> None:
    script = 'printf "Go on, c"; read answer; echo "got $answer $API_KEY"'
    terminal = Terminal(project, "--mask", "--", "sh", "-c", script)
    terminal.wait_for("Go on, c")  # a value begins like that
    terminal.type("yes\r")
    terminal.wait_for("got yes [hidden]")
    assert os.waitstatus_to_exitcode(terminal.wait()) == 0
    assert KEY not in terminal.seen
    terminal.close()


def test_what_is_typed_for_the_program_is_the_programs(project: Project) -> None:
    script = 'trap "echo interrupted" INT; echo ready; read x; echo "then $x"'
    terminal = Terminal(project, "--mask", "--", "sh", "-c", f"{script}; read y; echo $y")
    terminal.wait_for("ready")
    terminal.type("\x03")
    terminal.wait_for("interrupted")
    terminal.type("a\r")
    terminal.type("b\r")
    terminal.wait()
    terminal.close()
    assert terminal.seen.count("interrupted") == 1
    assert PASSWORD not in terminal.seen
