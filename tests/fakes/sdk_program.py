"""Programs with somebody's SDK, which is in an environment of its own (see tests/programs): nothing
of ours is in it, and nothing of it here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final, Self

from tests.fakes.gateway_process import DEADLINE_S

#: Without the packages of the interpreter's own environment.
PYTHON: Final = (sys.executable, "-S")


class SdkProgram:
    """A program that runs, and says JSON values, a line each. A context manager."""

    def __init__(self, text: str, env: Mapping[str, str], *arguments: object) -> None:
        self._process = subprocess.Popen(
            [*PYTHON, "-c", text, *map(str, arguments)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate(timeout=DEADLINE_S)

    def said(self) -> Any:
        """What it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self._process.communicate(timeout=DEADLINE_S)[1])
        return json.loads(line)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait(DEADLINE_S)


def run_whole(text: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A program that has ended."""
    return subprocess.run(
        [*PYTHON, "-c", text],
        env=env,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
