"""What is asked of the machine: cores, and the CPU time and memory of a tree of processes.

Linux only: the numbers come from /proc.
"""

from __future__ import annotations

import os
import platform
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROC = Path("/proc")


def two_cores() -> tuple[int, int]:
    """The proxy's core, and that of load and upstream: the same if there is one only."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """What is started inside runs on those cores, children included."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def process_tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    tree = [pid]
    for parent in tree:
        for children in _PROC.glob(f"{parent}/task/*/children"):
            tree += [int(child) for child in children.read_text().split()]
    return tree


def cpu_seconds(pids: list[int]) -> float:
    """CPU time used so far by the threads that live, to the nanosecond: /proc/PID/stat counts in
    hundredths of a second.
    """
    files = [file for pid in pids for file in _PROC.glob(f"{pid}/task/*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def memory_kib(pids: list[int]) -> int:
    """Proportional set size: pages shared by several processes count once."""
    total = 0
    for pid in pids:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line[:4] == "Pss:")
    return total


def allow_descriptors() -> None:
    """As many open files as the system lets us have; inherited by what is started."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port() -> int:
    """A TCP port on which nothing listens now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


def description() -> dict[str, str]:
    """CPU, cores, kernel and memory, for the record."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in (_PROC / "cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {
        "cpu": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{mib} MiB",
        "kernel": platform.release(),
    }
