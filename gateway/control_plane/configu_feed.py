"""Keeps a project's secrets as Configu has them while the gateway runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final

from certs.clock import Clock
from gateway.config.model import Config, ConfiguConfig
from gateway.control_plane.views import ConfiguView
from identity.errors import IdentityError, TokenUnavailable
from identity.fault import Fault
from identity.token_sources.refresh import retry_s

if TYPE_CHECKING:
    from gateway.configu.sync import ConfiguSync, Report

_LOG: Final = logging.getLogger(__name__)

#: The deadline of one sync; one that is cut is taken up by the next.
PULL_S: Final = 120.0
_SPREAD: Final = 0.1
#: Kinds of secrets that are as Configu has, or had them.
_FROM_THERE: Final = frozenset({"same", "new", "changed", "stale"})
#: Kinds that are shown.
_WANTING: Final = frozenset({"drift", "pending", "stale", "invalid"})

OpenSync = Callable[[ConfiguConfig, str], "ConfiguSync"]


class ConfiguFeed:
    """Asks Configu every `interval_s`, and calls back when a secret of the store is another one.

    Nothing is asked before `run`, and nothing where the configuration has no `[configu]`.
    """

    def __init__(self, open_sync: OpenSync, *, clock: Clock, rng: Random) -> None:
        self._open = open_sync
        self._clock = clock
        self._rng = rng
        self._config: ConfiguConfig | None = None
        self._sync: ConfiguSync | None = None
        self._view: ConfiguView | None = None
        self._taken: frozenset[str] = frozenset()
        self._failures = 0
        self._again = asyncio.Event()

    def view(self) -> ConfiguView | None:
        """How it stands; None where there is no `[configu]`."""
        config, view = self._config, self._view
        if config is None or view is None:
            return None
        contact = view.contact
        return replace(view, too_old=contact.too_old(self._clock.now(), config.max_offline_s))

    def use(self, config: Config) -> None:
        """Follow this configuration from now on."""
        configu = config.configu
        if configu == self._config:
            return
        self._config, self._failures = configu, 0
        self._sync = None if configu is None else self._open(configu, config.project)
        self._view = None if configu is None else ConfiguView(url=configu.url, set=configu.set)
        self._again.set()

    async def outdated(self, config: Config) -> Mapping[str, str]:
        """Secrets that came from Configu and count no more, because its last answer is older than
        `max_offline_s`; with why.
        """
        configu = config.configu
        if configu is None:
            return {}
        sync = self._sync if configu == self._config else None
        sync = sync or self._open(configu, config.project)
        why = (await sync.contact()).too_old(self._clock.now(), configu.max_offline_s)
        if not why:
            return {}
        try:
            self._taken = frozenset(await sync.taken())
        except IdentityError:
            pass  # the store is silent: what is known from before counts
        return dict.fromkeys(self._taken, why)

    async def run(self, changed: Callable[[], None]) -> None:
        """Sync for ever; cancelled at the end. `changed` is called when secrets are others."""
        while True:
            self._again.clear()
            pause_s = await self._pull(changed)
            await self._wait(pause_s)

    async def _wait(self, pause_s: float | None) -> None:
        """Wait for the next turn, or for another configuration."""
        if pause_s is None:
            await self._again.wait()
            return
        turns = {
            asyncio.create_task(self._again.wait()),
            asyncio.create_task(self._clock.sleep(pause_s)),
        }
        try:
            await asyncio.wait(turns, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for turn in turns:
                turn.cancel()

    async def _pull(self, changed: Callable[[], None]) -> float | None:
        """Sync once; how long to wait with the next time, None for another configuration."""
        sync, config = self._sync, self._config
        if sync is None or config is None:
            return None
        try:
            async with asyncio.timeout(PULL_S):
                report = await sync.pull()
        except TimeoutError:
            return await self._fail(sync, TokenUnavailable(f"no end in {PULL_S:g} s"))
        except Fault as error:
            return await self._fail(sync, error)
        was_failing, self._failures = self._failures > 0, 0
        self._taken = frozenset(item.name for item in report.findings if item.kind in _FROM_THERE)
        await self._show(sync, report)
        if report.written or was_failing:
            changed()
        return config.interval_s * (1 - _SPREAD * self._rng.random())

    async def _fail(self, sync: ConfiguSync, error: Fault) -> float:
        self._failures += 1
        problem = f"{error}; {error.hint}" if error.hint else str(error)
        if self._view is not None:
            if problem != self._view.problem:
                _LOG.warning("Configu: %s", problem, extra={"event": "configu_problem"})
            self._view = replace(self._view, problem=problem, contact=await sync.contact())
        return retry_s(
            self._failures,
            self._rng.random(),
            denied=not error.retryable,
            told_s=getattr(error, "retry_after_s", None),
        )

    async def _show(self, sync: ConfiguSync, report: Report) -> None:
        for name in report.written:
            _LOG.info("%s is taken from Configu", name, extra={"event": "configu_taken"})
        wanting = tuple(item for item in report.findings if item.kind in _WANTING)
        if self._view is None:
            return
        for item in set(wanting) - set(self._view.wanting):
            _LOG.warning(
                "%s is %s: %s",
                item.name,
                item.kind,
                item.reason,
                extra={"event": f"configu_{item.kind}"},
            )
        self._view = replace(self._view, problem="", wanting=wanting, contact=await sync.contact())
