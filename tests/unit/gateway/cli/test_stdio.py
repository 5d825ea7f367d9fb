"""`gateway.cli.stdio`, as far as it needs no gateway: what is wrong is said on standard error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.gateway.cli.test_client import configure, route

ALLOW = '[[routes.allow]]\ntoken = "ide"\n'


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "stdio", *arguments],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])},
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nobody",), 2, "there is no route 'nobody'"),
        (("planner", "--path", "x"), 2, "is not a path"),
        (("planner", "--token", "other"), 1, "other isn't kept"),
        (("planner",), 1, "asks for a token, and ide isn't kept"),
    ],
)
def test_what_is_wrong_is_no_message(
    workdir: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (workdir / "secrets").mkdir(mode=0o700)
    configure(workdir, route(more=ALLOW))
    file = workdir / "devwiz-gw.toml"
    file.write_text(file.read_text().replace('"memory"', '"folder"\nfolder = "secrets"'))
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
