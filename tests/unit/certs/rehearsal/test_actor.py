"""What two machines of a rehearsal make of each other."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from certs.errors import SourceUnavailable
from certs.rehearsal.actor import Actor
from certs.rehearsal.embedded import EmbeddedIssuer, EmbeddedSource, Offer, embedded_issuer
from certs.rehearsal.timeline import Machine, Timeline
from identity.secret_stores.base import Secret
from tests.fakes.clock import START
from tests.fakes.identity_source import FakeSource

OFFER = Offer(trust_domain="acme.example", life=timedelta(hours=1))


async def actor_of(name: str, issuer: EmbeddedIssuer, machine: Machine) -> Actor:
    token = await issuer.token(name, uses=1)

    async def read() -> Secret:
        return token

    source = EmbeddedSource(name, issuer, machine, read)
    return Actor(name, machine, source, random.Random(1))


async def with_identity(actor: Actor) -> asyncio.Task[None]:
    task = asyncio.create_task(actor.rotation.run())
    while actor.generation is None:
        await asyncio.sleep(0.001)
    return task


@pytest.mark.may_block("the rehearsal's folder is made and removed at its ends")
async def test_of_one_authority_they_talk_and_of_two_they_dont() -> None:
    machine = Machine(Timeline(START))
    async with embedded_issuer(OFFER, machine) as ours, embedded_issuer(OFFER, machine) as theirs:
        gateway = await actor_of("gateway", ours, machine)
        upstream = await actor_of("upstream", ours, machine)
        stranger = await actor_of("stranger", theirs, machine)
        tasks = [await with_identity(actor) for actor in (gateway, upstream, stranger)]
        assert gateway.refusal_of(upstream) == ""
        assert gateway.refusal_of(upstream) == ""
        assert gateway.is_well
        assert gateway.refusal_of(stranger).startswith("the gateway refuses the stranger: ")
        machine.error = timedelta(hours=-2)
        assert gateway.refusal_of(upstream) == (
            "the gateway's clock finds the upstream's certificate not valid"
        )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_without_an_identity_the_reason_is_told() -> None:
    machine = Machine(Timeline(START))
    down = Actor(
        "gateway", machine, FakeSource(machine, SourceUnavailable("down")), random.Random(1)
    )
    other = Actor("upstream", machine, FakeSource(machine), random.Random(1))
    assert down.refusal_of(other) == "no identity has been obtained yet"
    assert not down.is_well
