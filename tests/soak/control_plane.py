"""The supervisor with real workers: renewals, reloads, swapped trust files and fresh workers."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.generation import Generation
from gateway.audit.journal import Journal
from gateway.config.model import Config
from gateway.control_plane.parts import Parts
from gateway.control_plane.supervisor import Supervisor
from gateway.data_plane.failure import explanation
from gateway.telemetry.logs import LogSink, Redactor
from gateway.telemetry.span_exporter import SpanExporter
from tests.fakes import configs
from tests.fakes.authority import Authority
from tests.fakes.desks import memory_desk
from tests.fakes.feeds import FakeFeeds, generation
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.worker_rig import SPIFFE_ID
from tests.soak.plan import Plan
from tests.soak.quiet import log_level
from tests.soak.result import Result
from tests.soak.watch import sample

_MOST_GROWTH = 6 << 20
_WORKERS_EVERY = 10


class Bench:
    """A supervisor in this very process, so that its tasks can be counted."""

    def __init__(self, folder: Path) -> None:
        self.authorities = (Authority(), Authority())
        self.bundle, self.crl = folder / "ca.pem", folder / "crl.pem"
        self.swap_trust(0)
        route = configs.route(trust_bundle=self.bundle, crl=self.crl)
        self._configs = (
            configs.config(folder, route),
            configs.config(folder, route, configs.route("writer")),
        )
        self.turn = 0
        self.feeds = FakeFeeds(first=self._generation(1))
        self.sink = LogSink(folder / "gw.log")
        self.supervisor = Supervisor(
            self._configs[0],
            Parts(
                version="soak",
                feeds=self.feeds.feeds,
                load=self._load,
                journal=Journal(folder / "audit.jsonl", project="acme"),
                sink=self.sink,
                redactor=Redactor(),
                announce=lambda _: None,
                meaning=explanation,
                exporter=SpanExporter({}, rng=random.Random(1)),
                open_desk=memory_desk,
            ),
        )

    def _load(self) -> Config:
        return self._configs[self.turn % len(self._configs)]

    def _generation(self, number: int) -> Generation:
        leaf = self.authorities[0].issue(SPIFFE_ID)
        return replace(
            generation(number),
            key_pem=leaf.key_pem.encode(),
            chain_pem=leaf.chain_pem.encode(),
            bundle_pem=self.authorities[0].pem.encode(),
            serial=f"{leaf.serial:x}",
            not_after=datetime.now(UTC) + timedelta(hours=1),
        )

    def renew(self, number: int) -> None:
        """The identity source has a new one."""
        self.feeds.identities[-1].publish(self._generation(number))

    def swap_trust(self, turn: int) -> None:
        """Other files take the place of the bundle and of the lists."""
        whom = self.authorities[: turn % 2 + 1]
        for path, text in (
            (self.bundle, "".join(authority.pem for authority in whom)),
            (self.crl, "".join(authority.crl(turn + 1) for authority in whom)),
        ):
            fresh = path.with_suffix(".new")
            fresh.write_text(text)
            fresh.replace(path)

    async def until_ready(self) -> None:
        """Wait until all is well."""
        async with asyncio.timeout(20):
            while True:
                state = await self.supervisor.state()
                if state.phase == "running" and all(w.state == "ready" for w in state.workers):
                    return
                await asyncio.sleep(0.05)


def run(plan: Plan) -> Result:
    """Nothing is left behind by all that may change: no task, no descriptor, no memory."""
    result = Result(name="control plane")
    with tempfile.TemporaryDirectory() as name, log_level("gateway", logging.CRITICAL):
        asyncio.run(_change(Bench(Path(name)), result, plan))
    result.judge(most_growth=_MOST_GROWTH)
    return result


async def _change(bench: Bench, result: Result, plan: Plan) -> None:
    ended = asyncio.create_task(bench.supervisor.run())
    await bench.until_ready()
    await _turn(bench, result)  # what is made once is not to be taken for a leak
    bench.turn, result.counts = 0, {}
    before, tasks = _descriptors(), len(asyncio.all_tasks())
    begun = time.monotonic()
    while (now := time.monotonic()) < begun + plan.seconds:
        await _turn(bench, result)
        result.samples.append(sample(os.getpid()))
        plan.tell(result, now - begun)
        await asyncio.sleep(plan.look_s / 2)
    result.seconds = time.monotonic() - begun
    with suppress(AssertionError):
        await asyncio.to_thread(wait_until, lambda: _descriptors() <= before, 10)
    result.descriptors = (before, _descriptors())
    left = len(asyncio.all_tasks()) - tasks
    if left > 0:
        result.problems.append(f"{left} tasks were left behind")
    bench.supervisor.drain()
    await ended
    bench.sink.close()


async def _turn(bench: Bench, result: Result) -> None:
    """Each thing once, fresh workers now and then."""
    bench.turn += 1
    bench.renew(bench.turn + 1)
    result.renewals += 1
    await asyncio.to_thread(bench.swap_trust, bench.turn)
    result.count("trust swaps")
    await bench.supervisor.reload()
    result.count("reloads")
    if bench.turn % _WORKERS_EVERY == 1:
        await bench.supervisor.replace_workers(1.0)
        result.count("worker replacements")
    await bench.until_ready()


def _descriptors() -> int:
    return sample(os.getpid()).descriptors
