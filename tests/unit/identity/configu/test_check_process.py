"""`identity.configu.check_process`: requests in, answers out."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

from identity.configu.bounded_check import COMMAND
from identity.configu.check_process import serve
from identity.secret_stores.keychain_frames import read_frame, write_frame


def asked(*values: str) -> BytesIO:
    stream = BytesIO()
    for value in values:
        write_frame(stream, {"key": "A", "declared": {"pattern": "^a$"}, "value": value})
    return BytesIO(stream.getvalue())


def test_each_request_is_answered() -> None:
    answers = BytesIO()
    serve(asked("a", "b"), answers)
    answers.seek(0)
    assert [read_frame(answers) for _ in range(3)] == [
        {"problem": ""},
        {"problem": "it doesn't match the pattern"},
        None,
    ]


def test_it_ends_with_its_input_and_shows_nothing() -> None:
    assert COMMAND[0] == sys.executable
    done = subprocess.run(
        COMMAND, input=asked("b").read(), capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert read_frame(BytesIO(done.stdout)) == {"problem": "it doesn't match the pattern"}
