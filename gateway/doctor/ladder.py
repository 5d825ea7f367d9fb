"""The whole ladder, from the configuration to what each upstream speaks."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from certs.clock import SystemClock
from gateway.audit.journal import Journal
from gateway.config.identities import identities_of
from gateway.config.load import load
from gateway.config.model import Config, Route
from gateway.config.named_files import unusable_files
from gateway.control_plane.header_feed import StoreHeaderFeed
from gateway.control_plane.snapshots import Attached
from gateway.control_plane.token_feed import TokenFeed
from gateway.doctor import (
    callers,
    certificate,
    clock,
    identities,
    packages,
    proxies,
    running,
    secrets_kept,
    tokens,
)
from gateway.doctor.case import Held, Known, Means, Running
from gateway.doctor.finding import RUNGS, Finding, Report, in_order, skipped
from gateway.doctor.route import climb
from gateway.errors import ConfigInvalid
from gateway.token_sources import TokenOpener
from identity.secret_stores.base import SecretStore

_LATER: Final = tuple(rung for rung in RUNGS if rung not in {"configuration", "packages", "proxy"})
#: Files, keychains and journals are waited for in threads, and no route for another one.
_THREADS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What is opened once the configuration is known."""

    store: Callable[[Config], SecretStore]
    journal: Callable[[Config], Journal]
    running: Callable[[Path], Running]


async def examine(
    path: Path,
    names: Collection[str],
    doors: Doors,
    means: Means,
    tell: Callable[[str], None],
) -> Report:
    """Examine the file at `path` and what it describes, of its routes those with these names, or
    all. `tell` hears what is being tried.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    findings = [
        packages.judge(await asyncio.to_thread(packages.look)),
        proxies.judge(means.env),
    ]
    tell("configuration")
    finding, config = await asyncio.to_thread(_configuration, path)
    findings += finding
    if config is None:
        why = "the configuration can't be used"
        findings += [skipped(rung, why) for rung in _LATER]
    else:
        findings += await _Examination(config, names, doors, means, tell).all()
    return Report(config=str(path), version=means.version, findings=in_order(findings))


def _configuration(path: Path) -> tuple[list[Finding], Config | None]:
    try:
        config = load(path)
    except ConfigInvalid as invalid:
        return [_problem(str(item.key), item.message, item.hint) for item in invalid.problems], None
    detail = f"{path} can be used: {len(config.routes)} route(s), project {config.project}"
    # A file that is missing spoils one route or identity, and says so again there.
    found = [_problem(item.key, item.message, item.hint) for item in unusable_files(config)]
    return found or [Finding(rung="configuration", result="pass", detail=detail)], config


def _problem(key: str, message: str, hint: str) -> Finding:
    detail = f"{key}: {message}" if key else message
    remedy = hint or "docs/configuration.md describes every key"
    return Finding(rung="configuration", result="fail", detail=detail, remedy=remedy)


class _Examination:
    def __init__(
        self,
        config: Config,
        names: Collection[str],
        doors: Doors,
        means: Means,
        tell: Callable[[str], None],
    ) -> None:
        self._config = config
        self._routes = [item for item in config.routes if not names or item.name in names]
        self._doors = doors
        self._means = means
        self._tell = tell
        self._findings: list[Finding] = []
        self._skews: dict[str, float | None] = {}

    async def all(self) -> list[Finding]:
        self._tell("gateway")
        asked = self._doors.running(self._config.path)
        silent, status = await running.ask(asked)
        if status is not None:
            self._findings.append(running.judge(status, self._config, self._means.version))
            known = await self._with_gateway(asked, status)
        else:
            if silent is not None:
                self._findings.append(silent)
            known = await self._without_gateway()
        await asyncio.gather(*(self._route(route, known) for route in self._routes))
        self._findings.append(clock.judge(self._skews))
        return self._findings

    async def _with_gateway(self, asked: Running, status: Mapping[str, Any]) -> Known:
        self._tell("identities")
        names = self._identities()
        found = await asyncio.gather(
            *(identities.ask_gateway(name, status, asked) for name in names)
        )
        held = await self._looked_at(names, found)
        self._findings += secrets_kept.as_gateway_sees_them(status["secrets"])
        self._findings += tokens.as_gateway_sees_them(self._config, status["secrets"])
        return Known(config=self._config, status=status, held=held)

    async def _without_gateway(self) -> Known:
        store = self._doors.store(self._config)
        try:
            self._tell(f"secrets ({self._config.secrets.store})")
            is_open = await self._opens(store)
            self._tell("identities")
            names = self._identities()
            found = [
                await identities.ask_sources(name, self._config, store, self._means)
                for name in names
            ]
            held = await self._looked_at(names, found)
            self._tell("tokens")
            attached = await self._attached(store) if is_open else self._nothing_attached()
        finally:
            await store.close()
        return Known(config=self._config, status=None, held=held, attached=attached)

    async def _opens(self, store: SecretStore) -> bool:
        try:
            self._findings += await secrets_kept.examine(self._config, store)
        except secrets_kept.Unusable as unusable:
            self._findings.append(unusable.finding)
            return False
        return True

    async def _attached(self, store: SecretStore) -> Mapping[str, Attached]:
        async with self._header_feed(store) as (feed, token_feed):
            used = {name for route in self._routes for name in _tokens(route)}
            self._findings += tokens.as_asked(self._config, token_feed, used)
            return feed.attached

    def _nothing_attached(self) -> Mapping[str, Attached]:
        why = "the secret store can't be used"
        self._findings.append(skipped("tokens", why))
        return {
            route.name: Attached(unavailable=why if route.headers else "") for route in self._routes
        }

    @contextlib.asynccontextmanager
    async def _header_feed(
        self, store: SecretStore
    ) -> AsyncIterator[tuple[StoreHeaderFeed, TokenFeed]]:
        """What the gateway would attach, read as it would read it, and put on paper like that."""
        journal = self._doors.journal(self._config)
        opener = TokenOpener(store=store, journal=journal, env=self._means.env)
        token_feed = TokenFeed(opener, clock=SystemClock(), rng=random.SystemRandom())
        feed = StoreHeaderFeed(
            self._config, _nobody_waits, store=store, tokens=token_feed, journal=journal
        )
        async with asyncio.TaskGroup() as tasks:
            running_feed = tasks.create_task(token_feed.run())
            await asyncio.sleep(0)  # it has begun, and answers are waited for
            # What other parts of the program attach to is not asked for here.
            await feed.prepare(self._of_routes_alone())
            yield feed, token_feed
            running_feed.cancel()

    def _of_routes_alone(self) -> Config:
        config = self._config
        return replace(
            config,
            routes=tuple(self._routes),
            telemetry=replace(config.telemetry, otlp_headers=()),
            audit=replace(config.audit, forward=()),
        )

    def _identities(self) -> list[str]:
        return identities.names_of(self._config, [route.name for route in self._routes])

    async def _looked_at(
        self, names: Sequence[str], found: Sequence[identities.Sourced]
    ) -> dict[str, Held]:
        tables, held = identities_of(self._config), dict[str, Held]()
        for name, sourced in zip(names, found, strict=True):
            self._findings += sourced.findings
            self._skews |= sourced.skews
            held[name] = sourced.held
            self._findings += await asyncio.to_thread(
                certificate.examine, name, sourced.held, tables[name], now=self._means.now()
            )
        return held

    async def _route(self, route: Route, known: Known) -> None:
        if known.status is not None:
            status = known.route_status(route.name)
            deadline_s = self._means.deadline_s
            self._findings += await callers.examine_running(route, status, deadline_s=deadline_s)
        else:
            self._findings += await asyncio.to_thread(callers.examine_free, route)
        climbed = await climb(route, known, self._means, self._tell)
        self._findings += climbed.findings
        self._skews[f"the upstream of {route.name}"] = climbed.skew_s


def _tokens(route: Route) -> list[str]:
    return [name for header in route.headers for name in header.token_names]


def _nobody_waits() -> None:
    """Nobody here waits for a value to change."""
