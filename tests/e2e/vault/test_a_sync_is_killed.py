"""A sync that is killed with SIGKILL between its writes loses nothing, and the next one ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from tests.e2e.vault.conftest import COMMAND, DEADLINE_S, Headless
from tests.e2e.vault.test_secrets_come_from_configu import journal, tables
from tests.fakes.configu_server import TOKEN, ConfiguServer

NAMES = [f"K{number:02}" for number in range(40)]


@pytest.mark.parametrize("after", [1, 15])
def test_the_next_one_ends_it(headless: Headless, after: int) -> None:
    with ConfiguServer() as configu:
        headless.project("acme", more=tables(configu))
        (headless.work / "app.cfgu.json").write_text(json.dumps(dict.fromkeys(NAMES)))
        headless.make()
        headless.unlock()
        headless.done("login", "configu", said=TOKEN)
        configu.configs = {("", name): f"first-of-{name}" for name in NAMES}
        headless.done("sync")
        before = writes(headless)
        configu.configs = {("", name): f"second-of-{name}" for name in NAMES}
        kill_after(headless, before + after)
        configu.configs = {("", name): f"third-of-{name}" for name in NAMES}
        told = json.loads(headless.done("sync", "--json"))
        assert {item["state"] for item in told["configs"]} == {"changed"}
        assert headless.get("K00") == "third-of-K00"
        assert headless.get("K39") == "third-of-K39"


def writes(machine: Headless) -> int:
    lines = [json.loads(line) for line in journal(machine).read_text().splitlines()]
    return sum(line["action"] == "secret.write" and line["outcome"] == "ok" for line in lines)


def kill_after(machine: Headless, count: int) -> None:
    process = subprocess.Popen(
        [*COMMAND, "sync"],
        cwd=machine.work,
        env=machine.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + DEADLINE_S
    while writes_so_far(machine) < count:
        assert time.monotonic() < deadline
        assert process.poll() is None, "it came to its end before it could be killed"
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(DEADLINE_S) == -signal.SIGKILL


def writes_so_far(machine: Headless) -> int:
    """Also while the last line is being written."""
    text = journal(machine).read_text()
    return sum(
        '"action":"secret.write"' in line and '"outcome":"ok"' in line for line in text.splitlines()
    )
