"""Load the issuer: `make bench-issuer`, or `python -m tests.bench.issuer --help`.

A real `issuer serve` with its state on the disk, and as many instances as are asked for. Each is
the gateway's own client: it makes a key, a TLS connection (two to join) and a signing request, and
checks the reply. All share this machine with the issuer, so the figures are a lower bound.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from certs.generation import Generation
from certs.issuer.folder import init, open_issuer
from certs.issuer.one_time_tokens import Grant
from certs.sources.issuer import IssuerSource
from identity.secret_stores.base import Secret
from tests.bench import machine
from tests.fakes.issuer import TRUST_DOMAIN, generation_of
from tests.fakes.issuer_process import IssuerProcess

_NO_LIMITS = ("--rate-address", "99999", "--rate-instance", "99999", "--rate-token", "99999")
_HEADINGS = ("", "requests", "failed", "per s", "p50 ms", "p99 ms", "issuer CPU ms each")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one phase came to; latencies are of whole exchanges as the client sees them."""

    phase: str
    requests: int
    failed: int
    seconds: float
    per_s: float
    p50_ms: float
    p99_ms: float
    issuer_cpu_ms: float


class Fleet:
    """Instances of one workload, each with an identity of its own."""

    def __init__(self, issuer: IssuerProcess, sources: Sequence[IssuerSource]) -> None:
        self._issuer = issuer
        self._sources = sources
        self._current: list[Generation | None] = [None] * len(sources)

    async def all_at_once(self, phase: str, at_once: int) -> Sample:
        """Each asks once, `at_once` at a time."""
        gate = asyncio.Semaphore(at_once)

        async def wait_for_place(_number: int) -> None:
            await gate.acquire()

        return await self._measured(phase, wait_for_place, gate.release)

    async def spread(self, phase: str, seconds: float) -> Sample:
        """Each asks once, evenly over the time."""

        async def wait_for_time(number: int) -> None:
            await asyncio.sleep(seconds * number / len(self._sources))

        return await self._measured(phase, wait_for_time, lambda: None)

    async def _measured(
        self, phase: str, begin: Callable[[int], Awaitable[None]], end: Callable[[], None]
    ) -> Sample:
        latencies: list[float] = []
        failed = 0

        async def ask(number: int) -> None:
            nonlocal failed
            await begin(number)
            began = time.perf_counter()
            try:
                identity = await self._sources[number].obtain(self._current[number])
            except Exception as error:  # noqa: BLE001 - a failure is a result
                failed += 1
                _say(f"{phase}: {error}")
                return
            finally:
                end()
            latencies.append((time.perf_counter() - began) * 1000)
            self._current[number] = generation_of(identity)

        cpu = machine.cpu_seconds([self._issuer.pid])
        began = time.perf_counter()
        await asyncio.gather(*(ask(number) for number in range(len(self._sources))))
        seconds = time.perf_counter() - began
        cpu = machine.cpu_seconds([self._issuer.pid]) - cpu
        latencies.sort()
        count = len(latencies)
        return Sample(
            phase=phase,
            requests=len(self._sources),
            failed=failed,
            seconds=round(seconds, 3),
            per_s=round(count / seconds, 1),
            p50_ms=round(latencies[count // 2], 1) if count else 0.0,
            p99_ms=round(latencies[count * 99 // 100], 1) if count else 0.0,
            issuer_cpu_ms=round(1000 * cpu / max(1, count), 2),
        )


def _fleet(folder: Path, issuer: IssuerProcess, pin: str, instances: int) -> Fleet:
    service = open_issuer(folder).service
    grant = Grant(workload="planner", uses=instances)
    token = service.make_token(grant, datetime.now(UTC)).text
    service.close()

    async def read_token() -> Secret:
        return token

    def source() -> IssuerSource:
        return IssuerSource(url=issuer.url, ca_pin=pin, read_token=read_token, step_timeout_s=60.0)

    return Fleet(issuer, [source() for _ in range(instances)])


async def _run(arguments: argparse.Namespace, folder: Path) -> list[Sample]:
    pin = init(folder, trust_domain=TRUST_DOMAIN, now=datetime.now(UTC)).pin
    issuer = IssuerProcess(folder, options=_NO_LIMITS)
    await issuer.start()
    samples: list[Sample] = []
    try:
        fleet = _fleet(folder, issuer, pin, arguments.instances)
        samples.append(await fleet.all_at_once("join", arguments.at_once))
        for number in range(arguments.rounds):
            phase = f"renew, round {number + 1}"
            samples.append(await fleet.all_at_once(phase, arguments.at_once))
        phase = f"renew, spread over {arguments.spread:g} s"
        samples.append(await fleet.spread(phase, arguments.spread))
    finally:
        await issuer.stop()
    return samples


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.issuer", description=__doc__)
    parser.add_argument("--instances", type=int, default=1000, help="that join and renew (1000)")
    parser.add_argument("--rounds", type=int, default=3, help="in which each renews once (3)")
    parser.add_argument("--at-once", type=int, default=32, help="requests at a time (32)")
    parser.add_argument("--spread", type=float, default=30.0, help="seconds of the last round (30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to a file")
    return parser.parse_args(argv)


def _table(samples: Sequence[Sample]) -> list[str]:
    rows = [_HEADINGS] + [
        (
            item.phase,
            *(str(value) for value in (item.requests, item.failed, item.per_s)),
            *(str(value) for value in (item.p50_ms, item.p99_ms, item.issuer_cpu_ms)),
        )
        for item in samples
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [
        "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """See the module; 1 when a request failed."""
    arguments = _arguments(argv)
    with tempfile.TemporaryDirectory() as home:
        samples = asyncio.run(_run(arguments, Path(home, "issuer")))
    for line in _table(samples):
        print(line)
    if arguments.json is not None:
        record = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine.description(),
            "at_once": arguments.at_once,
            "samples": [asdict(item) for item in samples],
        }
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 1 if any(item.failed for item in samples) else 0


if __name__ == "__main__":
    sys.exit(main())
