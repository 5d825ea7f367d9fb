"""A masked program is told of each new size of the window that it runs in."""

from __future__ import annotations

import os

from tests.e2e.run.conftest import KEY, Project, Terminal

_SCRIPT = """
import os, signal, sys
def tell(*_):
    size = os.get_terminal_size()
    print("size", size.lines, "by", size.columns, os.environ["API_KEY"], flush=True)
signal.signal(signal.SIGWINCH, tell)
tell()
sys.stdin.readline()
"""


def test_the_program_has_the_size_of_now(project: Project) -> None:
    (project.folder / "sizes.py").write_text(_SCRIPT)
    terminal = Terminal(
        project, "--mask", "--", "sh", "-c", "stty rows 20 cols 70; exec $PYTHON sizes.py"
    )
    terminal.wait_for("size 20 by 70 [hidden]")
    for rows, columns in ((30, 100), (10, 40), (51, 132)):
        terminal.resize(rows, columns)
        terminal.wait_for(f"size {rows} by {columns} [hidden]")
    terminal.type("\r")
    assert os.waitstatus_to_exitcode(terminal.wait()) == 0
    assert KEY not in terminal.seen
    terminal.close()
