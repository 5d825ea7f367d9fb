"""A Docker engine of the test's own, which leaves nothing behind.

It runs in namespaces of its own. Its bridges, firewall rules and mounts, and the files that Docker
has in fixed places (/run, /etc/docker), are seen by nobody else; they are gone with its last
process, and the end of its first process ends all others. Nothing of it reaches a network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.components import require_component
from tests.started import Started

_PROGRAMS: Final = ("dockerd", "docker", "docker-init", "docker-compose", "debootstrap", "setpriv")
_NAMESPACES: Final = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc")
_PROBE: Final = """
mount -t tmpfs none /run && ip link set lo up && ip link add probe type bridge &&
iptables --table nat --list >/dev/null &&
grep -qw memory /proc/self/cgroup /sys/fs/cgroup/cgroup.controllers 2>/dev/null
"""
# $1 is the engine's folder, $2 the parent of its control groups.
_START: Final = """
set -e
ip link set lo up
mount -t tmpfs none /run
mkdir /run/upper /run/work "$1/data"
# In memory: deleting the thousands of files of images from a disk can take a minute.
mount -t tmpfs -o size=6g none "$1/data"
mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work none /etc
exec docker-init -s -- dockerd --config-file "" --data-root "$1/data" --exec-root "$1/exec" \
    --pidfile "$1/pid" --host "unix://$1/sock" --group 0 --cgroup-parent "$2" \
    --bip 172.31.255.1/24 --shutdown-timeout 3
"""
_DEADLINE_S: Final = 30.0


@cache
def engine_trouble() -> str:
    """Why no engine can start on this machine, "" where one can."""
    if os.geteuid() != 0:
        return "a Docker engine needs root"
    if not Path("/proc/self/cgroup").exists():
        return "a Docker engine needs Linux"
    probed = subprocess.run(
        [*_NAMESPACES, "sh", "-c", _PROBE], check=False, capture_output=True, text=True, timeout=30
    )
    if probed.returncode:
        cause = probed.stderr.strip() or "no control groups"
        return f"no Docker engine can start on this machine: {cause}"
    return ""


def require_engine() -> None:
    """Skip where no engine can start; without its programs skip, or fail where `CI` is set."""
    for program in _PROGRAMS:
        require_component(program)
    if engine_trouble():
        pytest.skip(engine_trouble())


class Engine(Started):
    """`dockerd`, from entering the context to leaving it."""

    def __init__(self) -> None:
        # A Unix socket's path is short, so not in pytest's folders.
        self.folder = Path(tempfile.mkdtemp(prefix="devwiz-engine-"))
        self.host = f"unix://{self.folder}/sock"
        self.control_groups = f"/{self.folder.name}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What programs that use the engine are started with."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return kept | {"DOCKER_HOST": self.host, "DOCKER_CONFIG": str(self.folder / "client")}

    def docker(self, *arguments: str, timeout: float = 120) -> str:
        """What `docker ARGUMENTS` prints. Raises `AssertionError` with all it said."""
        return self.run("docker", *arguments, timeout=timeout)

    def run(
        self,
        *command: str,
        timeout: float = 120,
        cwd: Path | None = None,
        more: dict[str, str] | None = None,
    ) -> str:
        """What a command that uses the engine prints, with `more` in its environment. Raises
        `AssertionError` with all it said.
        """
        done = subprocess.run(
            command,
            check=False,
            env=self.environment | (more or {}),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout

    def pids(self) -> set[int]:
        """The engine's own processes, as this process numbers them."""
        assert self._process is not None
        mine = _namespace(self._first())
        return {pid for pid in _processes() if _namespace(pid) == mine}

    def kill(self) -> None:
        """End it without a word, as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(_DEADLINE_S)

    def _start(self) -> None:
        log = self.folder / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL"),
                    *(*_NAMESPACES, "--kill-child"),
                    *("sh", "-c", _START, "sh", str(self.folder), self.control_groups),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + _DEADLINE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"dockerd did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        asked = subprocess.run(
            ["docker", "version"],
            check=False,
            env=self.environment,
            capture_output=True,
            timeout=30,
        )
        return asked.returncode == 0

    def _first(self) -> int:
        """The first process in the engine's namespace: a child of `unshare`."""
        assert self._process is not None
        pid = self._process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def _stop(self) -> None:
        if self._process is not None:
            try:
                os.kill(self._first(), 15)
                self._process.wait(_DEADLINE_S)
            except (IndexError, OSError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait(_DEADLINE_S)
        self._remove_control_groups()
        shutil.rmtree(self.folder)

    def _remove_control_groups(self) -> None:
        found = Path("/sys/fs/cgroup").rglob(f"{self.folder.name}*")
        groups = [group for top in list(found) for group in (top, *top.rglob("*"))]
        for group in sorted(groups, key=lambda path: len(path.parts), reverse=True):
            if group.is_dir():
                group.rmdir()


def _processes() -> set[int]:
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}


def _namespace(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/pid").stat().st_ino
    except OSError:
        return 0
