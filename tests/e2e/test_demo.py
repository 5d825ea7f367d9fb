"""`devwiz-gw demo`, as `make demo` runs it, with fewer and shorter lives.

A life can't be much shorter: a stream of the demonstration takes 5 s, and it may begin just before
a renewal, on the connection of a certificate that then has 40 % of its life left.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contract.secret_store_suite import processes_showing
from tests.fakes.gateway_process import COMMAND


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty one: the system allows a socket's path 107 bytes, and `tmp_path` may be long."""
    with TemporaryDirectory(prefix="gw-") as name:
        yield Path(name)


def test_it_works_and_leaves_nothing_behind(folder: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--renewals", "1", "--certificate-life", "15"],
        env=without_a_home(folder),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("it works\n")
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line[:2] == "  "]
    told = {row[0]: row[1] for row in rows if len(row) == 2}
    assert (told["tools"], told["failures"]) == ("add, count", "0")
    assert int(told["calls"]) > 50
    assert int(told["renewals"]) >= 1
    assert "a direct call without a certificate is refused" in done.stdout
    assert "certificate renewed: generation 2" in done.stdout
    assert list(folder.iterdir()) == []


def test_it_ends_what_it_started_when_it_is_terminated(folder: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "demo"], env=without_a_home(folder), stdout=subprocess.PIPE, text=True
    ) as demo:
        try:
            assert demo.stdout is not None
            assert any("MCP client works" in line for line in demo.stdout)
            assert processes_showing(str(folder)), "the gateway and the remote agent"
            demo.terminate()
            assert demo.wait(timeout=30) == 143
        finally:
            demo.kill()
    assert processes_showing(str(folder)) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("life", ["14", "3601", "soon"])
def test_a_life_that_can_not_work_is_refused(life: str) -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--certificate-life", life],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert life in done.stderr


def without_a_home(folder: Path) -> dict[str, str]:
    """An environment in which only `folder` can be written to."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    return env | {"TMPDIR": str(folder), "HOME": "/dev/null"}
