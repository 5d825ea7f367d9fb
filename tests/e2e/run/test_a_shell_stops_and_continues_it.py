"""Ctrl-Z, `fg` and Ctrl-C in an interactive shell, whoever is the program's parent."""

from __future__ import annotations

import shlex
import shutil
import time

import pytest

from tests.e2e.run.conftest import COMMAND, Project, Terminal

PROGRAM = 'trap "echo in-ter-rupted" INT; echo be-gun; while read x; do echo "<$x>"; done'


@pytest.mark.parametrize("way", ["", "--mask", "--deliver file", "--deliver file --mask"])
def test_a_program_is_stopped_and_goes_on(project: Project, way: str) -> None:
    shell = shutil.which("bash")
    assert shell is not None  # the makefile needs it, too
    project.env["PS1"] = "prompt> "
    terminal = Terminal(project, command=[shell, "--norc", "--noprofile", "-i"])
    terminal.wait_for("prompt> ")
    run = " ".join([shlex.join(COMMAND), way, "-- sh -c", shlex.quote(PROGRAM)])
    terminal.type(run + "\r")
    terminal.wait_for("\nbe-gun")
    terminal.type("one\r")
    terminal.wait_for("<one>")
    terminal.type("\x1a")
    terminal.wait_for("Stopped")
    terminal.wait_for("prompt> ")
    time.sleep(0.5)  # what is typed while the terminal changes hands is lost
    terminal.type("echo $((6 * 7))\r")  # the terminal is the shell's again
    terminal.wait_for("\n42")
    terminal.wait_for("prompt> ")
    terminal.type("fg\r")
    terminal.wait_for("-- sh -c")
    time.sleep(0.5)
    terminal.type("two\r")
    terminal.wait_for("<two>")
    terminal.type("\x04")
    terminal.wait_for("prompt> ")
    time.sleep(0.5)
    terminal.type("echo $((6 * 8))\r")
    terminal.wait_for("\n48")
    terminal.type("exit\r")
    terminal.wait()
    terminal.close()
