"""What routes attach to requests, read as the gateway would read it: secrets, and tokens from their
sources.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from certs.clock import SystemClock
from gateway.audit.journal import Journal
from gateway.config.model import Config, Route
from gateway.configu.open import open_sync
from gateway.control_plane.configu_feed import ConfiguFeed
from gateway.control_plane.header_feed import StoreHeaderFeed
from gateway.control_plane.snapshots import Attached
from gateway.control_plane.token_feed import TokenFeed
from gateway.doctor import tokens
from gateway.doctor.finding import Finding, skipped
from gateway.token_sources import TokenOpener
from identity.secret_stores.base import SecretStore


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Values:
    """What each route's headers came to, and the findings about tokens."""

    attached: Mapping[str, Attached]
    findings: list[Finding]


async def read(
    config: Config,
    routes: Sequence[Route],
    *,
    store: SecretStore,
    journal: Journal,
    env: Mapping[str, str],
) -> Values:
    """Read what these routes attach. Each value that is used is in the journal, as with a gateway;
    tokens get some seconds.
    """
    clock, rng = SystemClock(), random.SystemRandom()
    token_feed = TokenFeed(TokenOpener(store=store, journal=journal, env=env), clock=clock, rng=rng)
    configu = ConfiguFeed(
        partial(open_sync, store=store, journal=journal, env=env), clock=clock, rng=rng
    )
    feed = StoreHeaderFeed(
        config,
        _nobody_waits,
        store=store,
        tokens=token_feed,
        journal=journal,
        outdated=configu.outdated,
    )
    used = {name for route in routes for header in route.headers for name in header.token_names}
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(token_feed.run())
        await asyncio.sleep(0)  # it has begun, so that answers are waited for
        await feed.prepare(_of_routes_alone(config, routes))
        findings = tokens.as_asked(config, token_feed, used)
        keeping.cancel()
    return Values(attached=feed.attached, findings=findings)


def nothing(routes: Sequence[Route], why: str) -> Values:
    """In place of what can't be read."""
    return Values(
        attached={
            route.name: Attached(unavailable=why if route.headers else "") for route in routes
        },
        findings=[skipped("tokens", why)],
    )


def _of_routes_alone(config: Config, routes: Sequence[Route]) -> Config:
    """The exporter of telemetry and forwarders of the journal attach values too, elsewhere."""
    return replace(
        config,
        routes=tuple(routes),
        telemetry=replace(config.telemetry, otlp_headers=()),
        audit=replace(config.audit, forward=()),
    )


def _nobody_waits() -> None:
    """Nobody here waits for a value to change."""
