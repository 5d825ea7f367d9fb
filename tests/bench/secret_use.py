"""What secrets cost: `make bench-secrets`, or `python -m tests.bench.secret_use --help`.

- Recording: events written by one thread, and by several that share writes to the disk.
- A request through a real gateway, while the journal rests and while other processes' lines are
  written to it: its p99 may grow by less than a millisecond.
- `devwiz-gw run`: a program's whole life without it and with it, its one secret in a warm keychain
  (a real gnome-keyring): less than 150 ms may be added to the median.

The figures say little on a machine that does something else meanwhile.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.audit.journal import Journal
from tests.bench import machine
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import COMMAND, GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, answering, echo
from tests.fakes.secret_service import gnome_keyring, session_bus

MOST_ADDED_P99_MS = 1.0
MOST_ADDED_START_MS = 150.0
_RUN = """
project = "acme"
[run.env]
KEY = "secret:key"
"""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one phase came to, in milliseconds each."""

    phase: str
    count: int
    p50_ms: float
    p99_ms: float


def _sample(phase: str, times_ms: Sequence[float]) -> Sample:
    ordered = sorted(times_ms)
    count = len(ordered)
    p50, p99 = ordered[count // 2], ordered[count * 99 // 100]
    return Sample(phase=phase, count=count, p50_ms=round(p50, 3), p99_ms=round(p99, 3))


def _timed(action: Callable[[], object], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def record(folder: Path, *, threads: int, times: int) -> Sample:
    """Events of several threads in one journal."""
    journal = Journal(folder / f"{threads}" / "audit.jsonl", project="acme")

    def one() -> None:
        journal.record("secret.use", outcome="ok", name="key", reason="planner")

    one()
    with ThreadPoolExecutor(threads) as pool:
        each = [pool.submit(_timed, one, times // threads) for _ in range(threads)]
        taken = [item for done in each for item in done.result()]
    return _sample(f"record, {threads} at a time", taken)


def requests(folder: Path, times: int) -> list[Sample]:
    """Requests on one connection, before and while lines are recorded."""
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    with (
        ScriptedUpstream(context, answering(echo)) as upstream,
        GatewayProcess(folder, authority, upstream_port=upstream.port) as gateway,
    ):
        gateway.start()
        gateway.until_ready()
        connection = http.client.HTTPConnection(gateway.address(), timeout=20)

        def ask() -> None:
            connection.request("POST", "/", body=b"x")
            connection.getresponse().read()

        _timed(ask, 50)
        found = [_sample("request", _timed(ask, times))]
        with _recording(folder / "state" / "devwiz-gw" / "acme" / "audit.jsonl"):
            found.append(_sample("request, recorded lines beside", _timed(ask, times)))
        connection.close()
    return found


@contextmanager
def _recording(path: Path) -> Iterator[None]:
    """A hundred lines a second, far more than a gateway records."""
    journal = Journal(path, project="acme")
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.01):
            journal.record("secret.use", outcome="ok", name="key", reason="planner")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        done.set()
        worker.join()


def starts(folder: Path, times: int) -> list[Sample]:
    """A program by itself, and by `run` with a secret of the keychain."""
    (folder / "devwiz-gw.toml").write_text(_RUN)
    with session_bus(folder) as bus, gnome_keyring(bus):
        env = os.environ | bus.env | {"PYTHONPATH": str(Path(__file__).parents[2])}

        def start(*command: str, said: bytes = b"") -> None:
            subprocess.run(command, cwd=folder, env=env, input=said, check=True)

        def by_run() -> None:
            start(*COMMAND, "run", "--", "true")

        start(*COMMAND, "secret", "set", "key", said=b"value-of-the-benchmark")
        _timed(by_run, 2)
        # In turn: what else the machine does falls on both.
        pairs = [(_timed(lambda: start("true"), 1), _timed(by_run, 1)) for _ in range(times)]
    return [
        _sample("program", [plain for (plain,), _ in pairs]),
        _sample("program by run", [run for _, (run,) in pairs]),
    ]


def verdicts(samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """What is added, and what may be."""
    by = {item.phase: item for item in samples}
    p99 = by["request, recorded lines beside"].p99_ms - by["request"].p99_ms
    start = by["program by run"].p50_ms - by["program"].p50_ms
    return {
        "added to a request's p99, ms": (round(p99, 3), MOST_ADDED_P99_MS),
        "added to a program's start, ms": (round(start, 1), MOST_ADDED_START_MS),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.secret_use", description=__doc__)
    parser.add_argument("--times", type=int, default=2000, help="requests and events (2000)")
    parser.add_argument("--starts", type=int, default=30, help="of programs (30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the samples to a file")
    arguments = parser.parse_args(argv)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, part) for part in ("journal", "gateway", "desktop")]
        for folder in folders:
            folder.mkdir(mode=0o700)
        samples = [record(folders[0], threads=n, times=arguments.times) for n in (1, 16)]
        samples += requests(folders[1], arguments.times)
        samples += starts(folders[2], arguments.starts)
    for item in samples:
        print(f"{item.phase:32}{item.count:8}{item.p50_ms:12.3f}{item.p99_ms:12.3f}")
    found = verdicts(samples)
    for what, (value, most) in found.items():
        print(f"{what:32}{value:20.3f}  of {most:g}")
    if load > 0.5:
        print(f"the machine was not quiet (load {load:.1f}): these figures say little")
    if arguments.json:
        told = {"machine": machine.description(), "load": load}
        told |= {"samples": [asdict(item) for item in samples], "added": found}
        arguments.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
