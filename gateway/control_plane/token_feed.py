"""The tokens that headers refer to, each with its keeper."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random
from typing import Final

from certs.clock import Clock
from gateway.config.model import Config, TokenConfig
from gateway.control_plane.token_keeper import TokenKeeper
from identity.errors import TokenDenied
from identity.fault import Fault
from identity.secret_stores.base import Secret
from identity.token_sources.base import Token, TokenSource

#: How long a reload waits for tokens that weren't asked for before.
FIRST_S: Final = 5.0

OpenSource = Callable[[TokenConfig, str], TokenSource]


class TokenFeed:
    """Keeps the tokens that are used; `changed` is set whenever one of them is another one.

    A token's source is opened when the first header refers to it, and closed when none does or the
    configuration of it changes. Nothing is asked before `run`.
    """

    def __init__(self, open_source: OpenSource, *, clock: Clock, rng: Random) -> None:
        self.changed = asyncio.Event()
        self._open = open_source
        self._clock = clock
        self._rng = rng
        self._kept: dict[TokenConfig, _Kept] = {}
        self._by_name: dict[str, TokenKeeper] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def value(self, name: str) -> Secret | None:
        """The token, while there is one that has not ended."""
        keeper = self._by_name.get(name)
        return keeper.value if keeper else None

    def problem(self, name: str) -> str:
        """What is wrong with the token; "" when all is well."""
        keeper = self._by_name.get(name)
        return keeper.problem if keeper else f"there is no [tokens.{name}] in the configuration"

    async def renew(self, names: Collection[str]) -> bool:
        """Ask for these now, because an upstream refused them; see `TokenKeeper.renew`."""
        keepers = [self._by_name[name] for name in names if name in self._by_name]
        return any(await asyncio.gather(*(keeper.renew() for keeper in keepers)))

    async def use(self, config: Config, names: Collection[str]) -> None:
        """Keep these from now on, and no others. While `run` runs, this waits a moment for the
        first answer of those that are new, and for another one of sources that refuse.
        """
        wanted = {token for token in config.tokens if token.name in names}
        ending = [self._kept.pop(token) for token in set(self._kept) - wanted]
        fresh = [
            self._kept.setdefault(token, self._make(token, config.project))
            for token in wanted - set(self._kept)
        ]
        self._by_name = {token.name: kept.keeper for token, kept in self._kept.items()}
        if self._tasks is None:
            return
        await _end(ending)
        refused = [kept.keeper.retry() for kept in self._kept.values() if kept not in fresh]
        await _answers([*refused, *(kept.start(self._tasks) for kept in fresh)])

    async def run(self) -> None:
        """Ask for tokens for ever; cancelled at the end."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for kept in self._kept.values():
                kept.start(tasks)
            try:
                await asyncio.Event().wait()
            finally:
                self._tasks = None

    def _make(self, token: TokenConfig, project: str) -> _Kept:
        source: TokenSource
        try:
            source = self._open(token, project)
        except Fault as fault:
            source = _Refused(fault)
        return _Kept(
            TokenKeeper(token.name, source, self.changed.set, clock=self._clock, rng=self._rng)
        )


@dataclass(slots=True)
class _Kept:
    keeper: TokenKeeper
    task: asyncio.Task[None] | None = None

    def start(self, tasks: asyncio.TaskGroup) -> asyncio.Event:
        """Run the keeper; the result is set once it has asked."""
        self.task = tasks.create_task(self.keeper.run())
        return self.keeper.asked


class _Refused:
    """In place of a source that can't be opened: says why, each time."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    async def fetch(self) -> Token:
        """Always refused."""
        raise TokenDenied(str(self._fault), hint=self._fault.hint)

    async def close(self) -> None:
        """There is nothing."""


async def _end(kept: list[_Kept]) -> None:
    tasks = [item.task for item in kept if item.task is not None]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


async def _answers(asked: list[asyncio.Event]) -> None:
    """Wait for all of them, but not long."""
    try:
        async with asyncio.timeout(FIRST_S):
            for event in asked:
                await event.wait()
    except TimeoutError:
        pass  # their headers say what they wait for
