"""Ctrl-C or the end of the input at any question: there is no file, and no part of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.gateway_process import COMMAND
from tests.fakes.terminal import Terminal

#: What is typed until the question, and the question.
QUESTIONS = [
    ([], "scopes its secrets"),
    ([""], "which [issuer]"),
    (["", "files"], "the certificate chain's file"),
    (["", "files", "c", "k", "b"], "which [mcp]"),
    (["", "files", "c", "k", "b", "", "https://127.0.0.1:1"], "a name for the route"),
    (["", "files", "c", "k", "b", "", "https://127.0.0.1:1", "", ""], "whom to expect"),
    (["", "files", "c", "k", "b", "", "https://127.0.0.1:1", "", "", ""], "in a header as well?"),
]
CTRL_C, CTRL_D = "\x03", "\x04"


@pytest.mark.parametrize(("typed", "question"), QUESTIONS)
@pytest.mark.parametrize(("key", "code"), [(CTRL_C, 130), (CTRL_D, 1)])
def test_nothing_is_left(
    tmp_path: Path, typed: list[str], question: str, key: str, code: int
) -> None:
    project = tmp_path / "acme"
    project.mkdir()
    root = str(Path(__file__).parents[3])
    env = {"HOME": str(tmp_path), "PYTHONPATH": root, "PATH": "/usr/bin:/bin"}
    with Terminal([*COMMAND, "init"], project, env) as person:
        for line in typed:
            person.answers(": ", line)
        person.sees(question)
        person.sees(": ")
        person.types(key)
        assert person.code() == code
        assert "Traceback" not in person.shown
    assert list(project.iterdir()) == []
