"""Only the gateway's own user, and root, may ask and steer it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import StartStack
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.stack import Gateway

NOBODY = 65534
# Becomes another user in the gateway's folder, and knocks.
STRANGER = f"""
import os, socket, sys
os.chdir(sys.argv[1])
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
with socket.socket(socket.AF_UNIX) as sock:
    try:
        sock.connect("admin.sock")
    except PermissionError:
        sys.exit("not let in")
    sock.sendall(b"POST /drain HTTP/1.1\\r\\nHost: gw\\r\\nConnection: close\\r\\n\\r\\n")
    print(sock.makefile().read())
"""


def test_files_are_for_the_owner_only(start_stack: StartStack) -> None:
    gateway = start_stack().gateway
    gateway.configure(listen="unix:planner.sock")
    gateway.start()
    gateway.until_ready()
    journal = gateway.folder / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
    for path in (
        gateway.folder / "admin.sock",
        gateway.folder / "planner.sock",
        gateway.folder / "gw.log",
        journal,
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_refused(start_stack: StartStack) -> None:
    gateway = start_stack().gateway
    gateway.start()
    gateway.until_ready()
    gateway.folder.chmod(0o711)
    assert ask_as_nobody(gateway.folder).stderr == "not let in\n"
    # Even where somebody opened the socket's mode, the kernel says who asks.
    (gateway.folder / "admin.sock").chmod(0o666)
    assert ask_as_nobody(gateway.folder).stdout.startswith("HTTP/1.1 403 ")
    assert gateway.status()["state"] == "ready"
    wait_until(lambda: denials(gateway) != [])  # the journal's queue is written by a thread
    assert denials(gateway) == [("denied", f"uid {NOBODY}")]


def denials(gateway: Gateway) -> list[tuple[str, str]]:
    """Outcome and reason of each refused access, as far as they are in the journal."""
    lines = [line for line in gateway.audit() if line["action"] == "admin.access"]
    return [(line["outcome"], line["reason"]) for line in lines]


def ask_as_nobody(folder: Path) -> subprocess.CompletedProcess[str]:
    """What came of it."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", STRANGER, str(folder)],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
