"""The engine that these tests start is gone afterwards, with all that it made."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.engine import Engine, require_engine

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _engine_can_start() -> None:
    require_engine()


def _interfaces() -> set[str]:
    return {interface.name for interface in Path("/sys/class/net").iterdir()}


def _rules() -> str:
    shown = subprocess.run(
        ["iptables", "--table", "nat", "--list-rules"], capture_output=True, text=True, check=True
    )
    return shown.stdout


def test_nothing_of_it_is_seen_outside_or_stays() -> None:
    before = _interfaces(), _rules(), Path("/etc/docker").exists(), Path("/run/docker").exists()
    with Engine() as engine:
        assert len(engine.pids()) >= 2
        engine.docker("network", "create", "probe")
        during = _interfaces(), _rules(), Path("/etc/docker").exists(), Path("/run/docker").exists()
    assert during == before
    assert (_interfaces(), _rules()) == before[:2]
    assert not engine.folder.exists()
    assert str(engine.folder) not in Path("/proc/self/mounts").read_text()
    assert not list(Path("/sys/fs/cgroup").rglob(f"{engine.folder.name}*"))


def test_it_ends_with_its_first_process() -> None:
    with Engine() as engine:
        pids = engine.pids()
        engine.kill()
        deadline = time.monotonic() + 20
        while alive := {pid for pid in pids if Path(f"/proc/{pid}/exe").exists()}:
            assert time.monotonic() < deadline, alive
            time.sleep(0.05)
