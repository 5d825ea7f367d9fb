"""Every container runs without root, capabilities, a writable root, and with limits."""

from __future__ import annotations

import re

import pytest

from tests.e2e.compose.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

SERVICES = ("issuer", "remote-agent", "gateway", "local-agent", "loopback")

_WRITE = """
import errno, sys
for folder in ("/", "/etc", "/opt", "/usr/bin", "/tmp"):
    try:
        open(folder + "/probe", "w")
    except OSError as error:
        print(errno.errorcode[error.errno])
    else:
        print("written")
"""
_THREADS = """
import os, threading
made = 0
try:
    while made < 500:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        made += 1
except RuntimeError:
    pass
print(made, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("service", SERVICES)
def test_no_root_and_no_privileges(sidecar: Project, service: str) -> None:
    said = sidecar.shell(service, "cat", "/proc/1/status")
    status = dict(re.findall(r"^(\w+):\s+(.*)$", said, re.MULTILINE))
    assert "0" not in status["Uid"].split(), status["Uid"]
    assert "0" not in status["Gid"].split(), status["Gid"]
    assert not status.get("Groups", "").split() or "0" not in status["Groups"].split()
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[capabilities], 16) == 0, capabilities
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_can_be_written_to_the_image(sidecar: Project, service: str) -> None:
    said = sidecar.python(service, _WRITE).split()
    assert "written" not in said
    assert set(said) <= {"EROFS", "EACCES"}, said
    assert sidecar.inspect(service)["HostConfig"]["ReadonlyRootfs"] is True


def test_what_the_gateway_writes_is_in_memory_and_its_own(sidecar: Project) -> None:
    mounts = sidecar.shell("gateway", "cat", "/proc/mounts")
    for folder in ("/run/devwiz-gw", "/var/lib/devwiz-gw"):
        assert re.search(rf"^tmpfs {folder} tmpfs \S*mode=700", mounts, re.MULTILINE), mounts
    modes = sidecar.shell("gateway", "stat", "--format", "%a", "/run/devwiz-gw/admin.sock")
    assert modes.strip() == "600"


def test_processes_are_limited(sidecar: Project) -> None:
    assert 0 < int(sidecar.python("local-agent", _THREADS)) < 64


def test_memory_is_limited(sidecar: Project) -> None:
    before = sidecar.inspect("remote-agent")["State"]["Pid"]
    with pytest.raises(AssertionError, match="'python3'"):
        sidecar.python("remote-agent", "b'x' * (1 << 30)")
    assert sidecar.inspect("remote-agent")["State"]["Pid"] == before


def test_an_init_process_is_the_first(sidecar: Project) -> None:
    for service in SERVICES:
        first = sidecar.shell(service, "cat", "/proc/1/cmdline").split("\0")[0]
        assert first.endswith("docker-init"), service
