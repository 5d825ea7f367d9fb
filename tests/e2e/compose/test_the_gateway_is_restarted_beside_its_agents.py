"""The gateway can be restarted, crash and be made anew: its agents stay, and reach it again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.compose.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

_CRASH = """
import os, pathlib
for entry in pathlib.Path("/proc").iterdir():
    if entry.name.isdigit() and entry.name != str(os.getpid()):
        words = (entry / "cmdline").read_bytes().split(b"\\0")
        if b"serve" in words and b"docker-init" not in words[0]:
            os.kill(int(entry.name), 9)
"""


def _restart(project: Project) -> None:
    project.run("restart", "gateway")


def _make_anew(project: Project) -> None:
    project.run("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "gateway")


def _crash(project: Project) -> None:
    # The shell of `exec` may be killed with what it killed.
    project.engine.docker("exec", "--detach", project.container("gateway"), "python3", "-c", _CRASH)


@pytest.mark.parametrize("end", [_restart, _crash])
def test_agents_reach_it_again(sidecar: Project, end: Callable[[Project], None]) -> None:
    agent, gateway = sidecar.inspect("local-agent"), sidecar.inspect("gateway")
    end(sidecar)
    _wait_for_another(sidecar, gateway["State"]["StartedAt"])
    sidecar.work("http://127.0.0.1:8701/mcp")
    now = sidecar.inspect("local-agent")
    assert (now["Id"], now["State"]["StartedAt"]) == (agent["Id"], agent["State"]["StartedAt"])


def test_an_agent_works_on_by_itself_with_one_that_was_made_anew(sidecar: Project) -> None:
    agent, gateway = sidecar.inspect("local-agent"), sidecar.inspect("gateway")
    _make_anew(sidecar)
    assert sidecar.container("gateway") != gateway["Id"]
    _wait_for_another(sidecar, gateway["State"]["StartedAt"])
    done = len(sidecar.rounds())
    sidecar.wait(
        "a round without a failure",
        lambda: any(line.endswith(" 0 failures") for line in sidecar.rounds()[done:]),
    )
    now = sidecar.inspect("local-agent")
    assert (now["Id"], now["State"]["StartedAt"]) == (agent["Id"], agent["State"]["StartedAt"])


def _wait_for_another(sidecar: Project, began: str) -> None:
    sidecar.wait("another gateway", lambda: sidecar.started("gateway") != began)
    sidecar.wait("a healthy one", lambda: sidecar.health("gateway") == "healthy")
