"""An issuer that is killed over and over, while workloads join and renew, locks nobody and loses
nothing: each goes on with its identity, and every certificate that came out is in its books.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from certs.errors import SourceUnavailable
from certs.issuer.folder import init, open_issuer
from certs.issuer.one_time_tokens import Grant
from certs.sources.issuer import IssuerSource
from identity.secret_stores.base import Secret
from tests.fakes.issuer import TRUST_DOMAIN, generation_of
from tests.fakes.issuer_process import IssuerProcess

ROUNDS = 6
WORKLOADS = 4


class Workload:
    """Joins with a one-time token, then renews without pause."""

    def __init__(self, source: IssuerSource) -> None:
        self._source = source
        self.serials: list[str] = []
        self.interrupted = 0

    async def live(self) -> None:
        current = None
        while True:
            try:
                identity = await self._source.obtain(current)
            except SourceUnavailable:
                self.interrupted += 1
                await asyncio.sleep(0.02)
                continue
            self.serials.append(identity.serial)
            current = generation_of(identity)


def prepare(folder: Path) -> tuple[str, list[Secret]]:
    """An issuer's folder: its pin and a one-time token for each workload."""
    now = datetime.now(UTC)
    pin = init(folder, trust_domain=TRUST_DOMAIN, now=now).pin
    service = open_issuer(folder).service
    tokens = [
        service.make_token(Grant(workload=f"w{number}"), now).text for number in range(WORKLOADS)
    ]
    service.close()
    return pin, tokens


def workload(url: str, pin: str, token: Secret) -> Workload:
    async def read_token() -> Secret:
        return token

    return Workload(IssuerSource(url=url, ca_pin=pin, read_token=read_token))


async def test_killed_at_any_point(tmp_path: Path) -> None:
    folder = tmp_path / "issuer"
    pin, tokens = prepare(folder)
    chance = random.Random(20260301)
    issuer = IssuerProcess(folder)
    await issuer.start()
    workloads = [workload(issuer.url, pin, token) for token in tokens]
    async with asyncio.timeout(50):
        living = [asyncio.create_task(item.live()) for item in workloads]
        for _ in range(ROUNDS):
            await asyncio.sleep(chance.uniform(0.01, 0.4))
            await issuer.kill()
            assert not [task for task in living if task.done()]
            await issuer.start()
        seen = [len(item.serials) for item in workloads]
        while any(
            len(item.serials) < count + 3 for item, count in zip(workloads, seen, strict=True)
        ):
            await asyncio.sleep(0.02)
            assert not [task for task in living if task.done()]
        for task in living:
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)
        await issuer.stop()
    assert sum(item.interrupted for item in workloads) > 0
    _check_books(folder, {serial for item in workloads for serial in item.serials})


def _check_books(folder: Path, released: set[str]) -> None:
    state = sqlite3.connect(folder / "state.db")
    assert state.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    kept = {row[0] for row in state.execute("SELECT serial FROM certificates")}
    assert released <= kept
    assert state.execute("SELECT count(*) FROM instances").fetchone() == (WORKLOADS,)
    assert state.execute("SELECT count(*) FROM locks").fetchone() == (0,)
    state.close()
    lines = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert released <= {
        line["serial"] for line in lines if line["outcome"] == "allow" and "serial" in line
    }
    assert not [
        line for line in lines if line["outcome"] == "deny" and line["reason"] != "rate_limited"
    ]
