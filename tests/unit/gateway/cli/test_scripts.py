"""Whole command lines against the text that people see.

Each `scripts/*.txt` is one story: sections start with `-- NAME --`. A section whose name is a file
is written to the work folder (a `.json` one named like a request, `GET status.json`, is what the
admin server answers); `$ COMMAND` runs one command, and the `stdout`, `stderr` and `exit` sections
after it say what has to come out. `$WORK` stands for the work folder.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from tests.fakes.admin_server import FakeAdminServer

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))
_SECTION = re.compile(r"^-- (.+) --\n", re.MULTILINE)
_ANSWER = re.compile(r"(GET|POST) (\S+) (\d{3})")


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Names and bodies; what stands before the first section is a comment."""
    pieces = _SECTION.split(text)[1:]
    return zip(pieces[::2], pieces[1::2], strict=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script(
    script: Path, workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    answers: dict[str, Any] = {}
    runs: list[dict[str, str]] = []
    for name, body in sections(script.read_text()):
        if name.startswith("$ "):
            runs.append({"command": name.removeprefix("$ ")})
        elif name in {"stdout", "stderr", "exit"}:
            runs[-1][name] = body
        elif answer := _ANSWER.fullmatch(name):
            document = json.loads(body.replace("$WORK", str(workdir)))
            answers[f"{answer[1]} {answer[2]}"] = (int(answer[3]), document)
        else:
            (workdir / name).write_text(body)
    with ExitStack() as stack:
        if answers:
            stack.enter_context(FakeAdminServer(workdir / "devwiz-gw.sock", answers))
        for run in runs:
            check(run, workdir, capsys)


def check(run: dict[str, str], workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run one command and compare everything that came out of it."""
    code = main(shlex.split(run["command"]))
    seen = capsys.readouterr()
    out, err = (text.replace(str(workdir), "$WORK") for text in (seen.out, seen.err))
    assert (out, err, code) == (
        run.get("stdout", ""),
        run.get("stderr", ""),
        int(run.get("exit", "0")),
    )


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 8
