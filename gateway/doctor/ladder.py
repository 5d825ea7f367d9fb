"""The whole ladder, from the configuration to what each upstream speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.audit.journal import Journal
from gateway.config.foreign_peers import foreign_peers
from gateway.config.identities import identities_of
from gateway.config.load import load
from gateway.config.model import Config, Route
from gateway.config.named_files import unusable_files
from gateway.doctor import (
    attached,
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
from gateway.doctor.finding import RUNGS, Finding, Report, Result, in_order, skipped
from gateway.doctor.route import climb
from gateway.doctor.secret_names import secrets_named
from gateway.errors import ConfigInvalid, ConfigProblem
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
    found, config = await asyncio.to_thread(_configuration, path)
    findings += found
    if config is None:
        findings += _all_later()
    else:
        findings += await _Examination(config, names, doors, means, tell).all()
    return Report(config=str(path), version=means.version, findings=in_order(findings))


def without_file(invalid: ConfigInvalid, env: Mapping[str, str], version: str) -> Report:
    """The report where no configuration file is to be found."""
    findings = [packages.judge(packages.look()), proxies.judge(env), *_problems(invalid)]
    findings += _all_later()
    return Report(config=invalid.path, version=version, findings=in_order(findings))


def _all_later() -> list[Finding]:
    return [skipped(rung, "the configuration can't be used") for rung in _LATER]


def _configuration(path: Path) -> tuple[list[Finding], Config | None]:
    try:
        config = load(path)
    except ConfigInvalid as invalid:
        return _problems(invalid), None
    detail = f"{path} can be used: {len(config.routes)} route(s), project {config.project}"
    # A file that is missing spoils one route or identity, and says so again there.
    found = [_problem(item) for item in unusable_files(config)]
    found = found or [Finding(rung="configuration", result="pass", detail=detail)]
    warned = [_problem(item, "warn") for item in foreign_peers(config)]
    return [*found, *warned], config


def _problems(invalid: ConfigInvalid) -> list[Finding]:
    return [_problem(item) for item in invalid.problems]


def _problem(problem: ConfigProblem, result: Result = "fail") -> Finding:
    detail = f"{problem.key}: {problem.message}" if problem.key else problem.message
    remedy = problem.hint or "docs/configuration.md describes every key"
    return Finding(rung="configuration", result=result, detail=detail, remedy=remedy)


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
        self._findings += secrets_kept.as_gateway_sees_them(status.get("secrets", ()))
        await self._look_for_others(status.get("secrets", ()))
        self._findings += tokens.as_gateway_sees_them(self._config, status.get("secrets", ()))
        return Known(config=self._config, status=status, running=asked, held=held)

    async def _look_for_others(self, listed: Iterable[Mapping[str, Any]]) -> None:
        """Secrets that the running gateway doesn't read: for programs, and for joining."""
        seen = {str(item["name"]) for item in listed}
        others = secrets_named(self._config).keys() - seen
        if others:
            self._tell(f"secrets ({self._config.secrets.store})")
            store = self._doors.store(self._config)
            try:
                await self._opens(store, only=others)
            finally:
                await store.close()

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
            values = await self._values(store, is_open=is_open)
            self._findings += values.findings
        finally:
            await store.close()
        return Known(config=self._config, status=None, held=held, attached=values.attached)

    async def _values(self, store: SecretStore, *, is_open: bool) -> attached.Values:
        if not is_open:
            return attached.nothing(self._routes, "the secret store can't be used")
        journal = self._doors.journal(self._config)
        env = self._means.env
        return await attached.read(
            self._config, self._routes, store=store, journal=journal, env=env
        )

    async def _opens(self, store: SecretStore, *, only: Collection[str] = ()) -> bool:
        try:
            self._findings += await secrets_kept.examine(self._config, store, only=only)
        except secrets_kept.Unusable as unusable:
            self._findings.append(unusable.finding)
            return False
        return True

    def _identities(self) -> list[str]:
        return identities.names_of(self._config, [route.name for route in self._routes])

    async def _looked_at(
        self, names: Sequence[str], found: Sequence[identities.Sourced]
    ) -> dict[str, Held]:
        tables, held = identities_of(self._config), dict[str, Held]()
        for name, sourced in zip(names, found, strict=True):
            self._findings += sourced.findings
            self._skews |= sourced.skews
            held[name] = await asyncio.to_thread(certificate.with_lists, sourced.held, tables[name])
            self._findings += await asyncio.to_thread(
                certificate.examine, name, held[name], tables[name], now=self._means.now()
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
