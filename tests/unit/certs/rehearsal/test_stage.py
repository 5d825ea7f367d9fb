"""A rehearsal with a source of the user's own."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from certs.clock import SystemClock
from certs.errors import SourceDenied
from certs.issuer.folder import init
from certs.issuer.http import IssuerServer
from certs.issuer.one_time_tokens import Grant
from certs.rehearsal.plan import FirstIdentity, OutageOf, Renewals, SleepOf, Step
from certs.rehearsal.stage import real_lab
from certs.sources.issuer import IssuerSource
from identity.secret_stores.base import Secret
from tests.fakes.identity_source import FakeSource
from tests.fakes.issuer import audit_lines

MINUTES = timedelta(minutes=1)


@pytest.mark.may_block("the issuer's folder is made")
async def test_a_running_issuer_really_renews_at_the_rehearsals_pace(tmp_path: Path) -> None:
    clock = SystemClock()
    init(tmp_path / "issuer", trust_domain="acme.example", now=clock.now())
    server = IssuerServer(tmp_path / "issuer")
    await server.start()
    try:
        token = (await server.make_token(Grant(workload="laptop"))).text

        async def read() -> Secret:
            return token

        source = IssuerSource(url=server.url, ca_pin=server.ca_pin, read_token=read)
        began = time.monotonic()
        async with real_lab(
            source, real=clock, timer=time.monotonic, request_wait_s=8.0
        ) as running:
            steps: list[Step] = [
                FirstIdentity(),
                Renewals(5),
                OutageOf(15 * MINUTES),
                SleepOf(15 * MINUTES),
            ]
            outcomes = [await running.go_through(step) for step in steps]
            assert abs(running.certificate_life - timedelta(hours=1)) < timedelta(seconds=30)
        assert time.monotonic() - began < 30
        await source.close()
    finally:
        await server.stop()
    assert all(outcome.is_good and outcome.part == "real" for outcome in outcomes), outcomes
    assert sum(outcome.passed.total_seconds() for outcome in outcomes) > 3 * 3600
    renewals = [line for line in audit_lines(tmp_path / "issuer") if line["action"] == "renew"]
    assert len(renewals) == sum(outcome.renewals for outcome in outcomes) - 1


async def test_an_issuer_that_refuses_is_asked_once() -> None:
    clock = SystemClock()
    source = FakeSource(clock, *[SourceDenied("the token is spent", hint="a new one")] * 50)
    async with real_lab(source, real=clock, timer=time.monotonic, request_wait_s=8.0) as running:
        outcome = await running.go_through(FirstIdentity())
    assert not outcome.is_good
    assert outcome.why == "no identity has been obtained yet: the token is spent"
    assert outcome.hint == "a new one"
    assert len(source.asked_at) == 1


async def test_replies_slower_than_a_request_waits_are_told() -> None:
    clock = SystemClock()
    ticks = iter(range(0, 1000, 9))
    source = FakeSource(clock)
    async with real_lab(
        source, real=clock, timer=lambda: float(next(ticks)), request_wait_s=8.0
    ) as running:
        outcome = await running.go_through(FirstIdentity())
    assert outcome.why == "a reply took 9.0 s, and a request waits 8 s"
