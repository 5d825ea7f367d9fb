"""No process of the gateway can leave a core dump, whatever the limits that it is started with."""

from __future__ import annotations

import resource
from pathlib import Path

from tests.fakes.gateway_process import GatewayProcess


def test_supervisor_and_workers(gateway: GatewayProcess) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        gateway.start()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    gateway.until_ready()
    pids = [gateway.pid, *(worker["pid"] for worker in gateway.status()["workers"])]
    assert len(pids) >= 2
    for pid in pids:
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        (core,) = (line for line in limits if line.startswith("Max core file size"))
        assert core.split()[4] == "0"
