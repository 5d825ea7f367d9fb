"""Sets up a rehearsal: with the user's own source, or with embedded ones in its place."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from certs.clock import Clock
from certs.rehearsal.actor import Actor
from certs.rehearsal.embedded import EmbeddedSource, Offer, embedded_issuer
from certs.rehearsal.lab import Lab
from certs.rehearsal.obstruction import ObstructedSource, ShiftedSource
from certs.rehearsal.timeline import Machine, Timeline
from certs.sources.base import IdentitySource
from certs.sources.chain import ChainSource
from identity.secret_stores.base import Secret

_MANY_JOINS: Final = 100_000

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """What takes the place of a source.

    Attributes:
        joins: how many the credential is good for; None for one that stays good, like a key.
        renewable_after: how long after a certificate's end its key alone renews it.
    """

    name: str
    joins: int | None = None
    renewable_after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an embedded rehearsal is about: the certificates, and the gateway's sources in order."""

    offer: Offer
    sources: Sequence[StandIn] = (StandIn(name="issuer"),)
    request_wait_s: float
    seed: int = 1


@contextlib.asynccontextmanager
async def embedded_lab(
    scene: Scene,
    *,
    real: Clock,
    timer: Callable[[], float],
    tell: Tell = lambda _detail: None,
) -> AsyncIterator[Lab]:
    """A running lab around an embedded issuer."""
    timeline = Timeline(real.now())
    there, here = Machine(timeline), Machine(timeline)
    rng = random.Random(scene.seed)  # noqa: S311 - jitter; the same rehearsal each time
    async with embedded_issuer(scene.offer, there) as issuer:
        tokens: dict[StandIn, Secret] = {}

        async def hand_out_tokens() -> None:
            for of in scene.sources:
                uses = _MANY_JOINS if of.joins is None else of.joins
                tokens[of] = await issuer.token(of.name, uses=uses)

        def source(of: StandIn, machine: Machine) -> ObstructedSource:
            async def read() -> Secret:
                return tokens[of]

            embedded = EmbeddedSource(
                of.name, issuer, machine, read, renewable_after=of.renewable_after
            )
            return ObstructedSource(embedded, timeline, machine, timer=timer)

        await hand_out_tokens()
        upstream = StandIn(name="upstream")
        tokens[upstream] = await issuer.token(upstream.name, uses=_MANY_JOINS)
        sources = [source(stand_in, here) for stand_in in scene.sources]
        lab = Lab(
            timeline,
            part="simulated",
            gateway=Actor("gateway", here, _chained(sources, here), rng),
            upstream=Actor("upstream", there, source(upstream, there), rng),
            sources=sources,
            request_wait_s=scene.request_wait_s,
            enter_phase=issuer.enter,
            hand_out=hand_out_tokens,
            tell=tell,
        )
        async with lab.running():
            yield lab


@contextlib.asynccontextmanager
async def real_lab(
    source: IdentitySource,
    *,
    real: Clock,
    timer: Callable[[], float],
    request_wait_s: float,
    tell: Tell = lambda _detail: None,
) -> AsyncIterator[Lab]:
    """A running lab around `source`, which lives in the machine's own time; the caller closes it.
    The issuer is really asked, once for each renewal and not again after a failure.
    """
    timeline = Timeline(real.now())
    here = Machine(timeline)
    obstructed = ObstructedSource(
        ShiftedSource(source, real=real, rehearsed=here),
        timeline,
        here,
        timer=timer,
        is_forgiving=False,
    )
    rng = random.Random(1)  # noqa: S311 - jitter
    lab = Lab(
        timeline,
        part="real",
        gateway=Actor("gateway", here, obstructed, rng),
        upstream=None,
        sources=[obstructed],
        request_wait_s=request_wait_s,
        tell=tell,
    )
    async with lab.running():
        yield lab


def _chained(sources: Sequence[ObstructedSource], clock: Clock) -> IdentitySource:
    return sources[0] if len(sources) == 1 else ChainSource(sources, clock=clock)
