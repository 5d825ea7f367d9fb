"""A worker that was taken over could open no file and start no program: the kernel says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from identity import landlock
from tests.fakes.gateway_process import GatewayProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux has it")


def state(pid: int) -> dict[str, str]:
    """Of a process, as /proc tells."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def workers(gateway: GatewayProcess) -> set[int]:
    """Those in service."""
    return {worker["pid"] for worker in gateway.status()["workers"] if worker["state"] == "ready"}


def test_the_kernel_filters_its_calls(gateway: GatewayProcess) -> None:
    gateway.start()
    gateway.until_ready()
    for pid in workers(gateway):
        assert state(pid)["Seccomp"] == "2"
        assert state(pid)["NoNewPrivs"] == "1"
    assert state(gateway.pid)["Seccomp"] == state(os.getpid())["Seccomp"]
    assert not any("not confined" in str(line) for line in gateway.log())


@pytest.mark.skipif(landlock.abi() == 0, reason="this kernel has no Landlock")
def test_a_reload_that_needs_more_brings_fresh_workers(gateway: GatewayProcess) -> None:
    gateway.start()
    gateway.until_ready()
    before = workers(gateway)
    text = gateway.config.read_text()
    gateway.configure(text + f'\n[[routes.allow]]\nuid = {os.getuid()}\nexe = "{sys.executable}"\n')
    assert gateway.command("reload").returncode == 0
    after = workers(gateway)
    assert not before & after
    gateway.configure(text)
    assert gateway.command("reload").returncode == 0
    assert not workers(gateway) & after
