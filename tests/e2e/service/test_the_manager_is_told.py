"""A service manager hears how far the gateway is, and no program of the gateway's speaks for it."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.service_manager import FakeServiceManager, environment_of

OURS = re.compile(r"^(NOTIFY_SOCKET|WATCHDOG_|LISTEN_)", re.MULTILINE)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[FakeServiceManager]:
    with FakeServiceManager(str(tmp_path / "notify")) as made:
        yield made


def test_from_the_start_to_the_end(gateway: GatewayProcess, manager: FakeServiceManager) -> None:
    manager.start(gateway, watchdog_us=400_000)
    begun = manager.hear_until("READY=1")
    assert begun[0].startswith("EXTEND_TIMEOUT_USEC=")
    assert "STATUS=starting" in begun
    assert begun[-2:] == ["STATUS=serving 1 route", "READY=1"]
    manager.hear_until("WATCHDOG=1")
    gateway.signal(signal.SIGHUP)
    assert manager.hear_until("MONOTONIC_USEC=")[-1].startswith("RELOADING=1\n")
    manager.hear_until("READY=1")
    good = gateway.config.read_text()
    gateway.configure(good + "[nonsense]\n")
    assert gateway.command("reload").returncode == 1
    manager.hear_until("MONOTONIC_USEC=")
    refused = manager.hear_until("READY=1")
    assert any("the changed configuration was refused: " in told for told in refused)
    gateway.configure(good)
    gateway.signal(signal.SIGTERM)
    ending = manager.hear_until("STOPPING=1")
    assert "STATUS=draining" in ending
    assert ending[-1].endswith("EXTEND_TIMEOUT_USEC=25000000")
    assert gateway.wait()[0] == 0


def test_no_worker_or_hook_inherits_what_is_for_the_gateway(
    gateway: GatewayProcess, manager: FakeServiceManager, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    hook = tmp_path / "hook"
    hook.write_text(
        f"#!/bin/sh\nenv > {told}.new\nls -l /proc/$$/fd >> {told}.new\nmv {told}.new {told}\n"
    )
    hook.chmod(0o700)
    gateway.configure(more=f'[[identity.export]]\ndir = "tls"\nexec = ["{hook}"]\n')
    with socket.create_server(("127.0.0.1", 0)) as given:
        gateway.configure(
            gateway.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{given.getsockname()[1]}")
        )
        manager.start(gateway, sockets=[given], names=["planner"], watchdog_us=10_000_000)
        manager.hear_until("READY=1")
        wait_until(told.exists)
        inode = f"socket:[{os.fstat(given.fileno()).st_ino}]"
        assert inode not in told.read_text()
        assert not OURS.search(told.read_text())
        workers = [worker["pid"] for worker in gateway.status()["workers"]]
        assert workers
        for pid in workers:
            assert not any(OURS.match(name) for name in environment_of(pid))
