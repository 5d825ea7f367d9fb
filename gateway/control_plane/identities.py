"""Every identity that the configuration asks for, each with a feed and a fate of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from certs.generation import Generation
from gateway.config.identities import identities_of, identity_of
from gateway.config.model import Config, IdentityConfig
from gateway.control_plane.feeds import IdentityFeed, MakeIdentity
from gateway.control_plane.snapshots import Held
from gateway.control_plane.views import IdentityView, TrustView

#: How long a feed that is no longer wanted may take to end.
_END_TIMEOUT_S: Final = 5.0


@dataclass(slots=True)
class _Kept:
    """One identity: the feed in use, and what came of it last."""

    feed: IdentityFeed
    generation: Generation | None = None
    renewable_at: datetime | None = None
    task: asyncio.Task[None] | None = None

    def view(self) -> IdentityView:
        return replace(self.feed.view(), generation=self.generation)

    @property
    def has_expired(self) -> bool:
        return self.generation is not None and datetime.now(UTC) >= self.generation.not_after

    def reason(self) -> str:
        """Why requests can't be served; "" also when an attempt to renew may still help.

        After a laptop slept the certificate has expired and nothing has failed yet: requests then
        wait for the renewal that their worker asks for.
        """
        view = self.feed.view()
        if self.generation is None:
            return view.reason or "the first certificate is being obtained"
        return view.reason if self.has_expired and view.last_error else ""


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """What a new configuration makes of the identities: nothing of it is in use yet."""

    wanted: Mapping[str, IdentityConfig]
    fresh: dict[str, IdentityFeed] = field(default_factory=dict)

    async def undo(self) -> None:
        """Let go of what was opened for it."""
        for feed in self.fresh.values():
            await feed.close()


class Identities:
    """Keeps each identity by a task of its own: one that fails leaves the others alone.

    Args:
        published: told of each new generation and its identity's name; numbers go up by one for
            each name, also across the feeds that follow each other.
        changed: called when the state of one is another.

    Raises:
        Fault: a source can't be opened.
    """

    def __init__(
        self,
        config: Config,
        make: MakeIdentity,
        published: Callable[[str, Generation], None],
        changed: Callable[[], None],
    ) -> None:
        self._make = make
        self._published = published
        self._changed = changed
        self._wanted: Mapping[str, IdentityConfig] = {}
        self._kept: dict[str, _Kept] = {}
        self._numbers: dict[str, int] = {}
        self._refreshed_for: dict[str, int] = {}
        #: By route and identity, the first and the last generation that was refused in a row.
        self._refused: dict[tuple[str, str], tuple[int, int]] = {}
        self._replaced: list[_Kept] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._complete = asyncio.Event()
        self.commit(self.prepare(config))

    # What is known

    def views(self) -> dict[str, IdentityView]:
        """All of them by name, that of `[identity]` first."""
        return {name: kept.view() for name, kept in self._kept.items()}

    def held(self) -> dict[str, Held]:
        """What workers may use, by name."""
        return {
            name: Held(
                generation=kept.generation,
                reason=kept.reason(),
                renewable_at=kept.renewable_at,
                crl=kept.feed.revocation_lists,
            )
            for name, kept in self._kept.items()
        }

    def trust_views(self, config: Config) -> dict[str, TrustView]:
        """How it stands with the revocation lists that come with identities, by the routes that
        trust what their identity does.
        """
        views = self.views()
        found: dict[str, TrustView] = {}
        for route in config.routes:
            view = views.get(identity_of(route, config))
            if route.trust_bundle is None and view is not None and view.trust is not None:
                found[route.name] = view.trust
        return found

    async def wait_complete(self) -> None:
        """Return when there is a generation of each."""
        await self._complete.wait()

    # What is asked for

    def refresh(self, name: str, reason: str) -> None:
        """Ask for a renewal soon, if there is such an identity."""
        if name in self._kept:
            self._kept[name].feed.refresh(reason)

    def refresh_expired(self, name: str, reason: str) -> bool:
        """Ask for a renewal if it has expired, or never was; whether it has."""
        kept = self._kept.get(name)
        if kept is None or not (kept.generation is None or kept.has_expired):
            return False
        kept.feed.refresh(reason)
        return True

    def refresh_refused(self, name: str, route: str, about: int | None, reason: str) -> None:
        """The upstream of a route refused a generation: one refresh for each, however many requests
        meet the same refusal; and none where the route's upstream refused the last generation too:
        it isn't the certificate then.
        """
        current = self._numbers.get(name, 0)
        number = current if about is None else about
        first, last = self._refused.get((route, name), (number, number))
        if number > last + 1:
            first = number  # one in between was accepted
        self._refused[route, name] = first, max(last, number)
        if number < current or number > first or self._refreshed_for.get(name) == current:
            return
        self._refreshed_for[name] = current
        self.refresh(name, reason)

    # What changes

    def prepare(self, config: Config) -> IdentityChange:
        """Open the sources that are new in a configuration.

        Raises:
            Fault: one can't be opened. Those that could hold nothing yet.
        """
        change = IdentityChange(identities_of(config))
        for name, wanted in change.wanted.items():
            if name not in self._wanted or _source(wanted) != _source(self._wanted[name]):
                take = partial(self._take, name)
                change.fresh[name] = self._make(config, name, take, self._changed)
        return change

    def commit(self, change: IdentityChange) -> None:
        """Go by what was prepared. The certificate in use serves until its new source delivers;
        one that isn't wanted any more is dropped.
        """
        before, self._kept = self._kept, {}
        for name in change.wanted:
            old = before.pop(name, None)
            feed = change.fresh.get(name)
            if feed is None and old is not None:
                self._kept[name] = old
            elif feed is not None:
                kept = self._kept[name] = _Kept(feed)
                if old is not None:
                    kept.generation, kept.renewable_at = old.generation, old.renewable_at
                self._start(kept, old)
        for old in before.values():
            self._start(None, old)
        self._wanted = change.wanted
        self._look_whether_complete()

    def _start(self, kept: _Kept | None, old: _Kept | None) -> None:
        if self._tasks is None:
            if old is not None:
                self._replaced.append(old)
            return
        task = self._tasks.create_task(_succeed(old, kept))
        if kept is not None:
            kept.task = task

    def _take(self, name: str, generation: Generation) -> None:
        kept = self._kept.get(name)
        if kept is None:
            return  # dropped while its last renewal was under way
        # Numbered here: a source that is swapped by a reload would start again at 1.
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        kept.generation = replace(generation, number=number)
        kept.renewable_at = kept.feed.view().earliest_renewal
        self._look_whether_complete()
        self._published(name, kept.generation)

    def _look_whether_complete(self) -> None:
        if all(kept.generation is not None for kept in self._kept.values()):
            self._complete.set()

    # Life and end

    async def run(self) -> None:
        """Keep them all for ever; cancelled at the end."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for kept in self._kept.values():
                kept.task = tasks.create_task(kept.feed.run())
            await asyncio.Event().wait()

    async def close(self) -> None:
        """Release what the sources hold; `run` has ended."""
        self._tasks = None
        for kept in (*self._replaced, *self._kept.values()):
            await kept.feed.close()


async def _succeed(old: _Kept | None, fresh: _Kept | None) -> None:
    """Run `fresh` once `old` has ended: two that renew at once look like a copied identity."""
    if old is not None:
        try:
            if old.task is not None:
                old.task.cancel()
                await asyncio.wait([old.task], timeout=_END_TIMEOUT_S)
        finally:
            await old.feed.close()
    if fresh is not None:
        await fresh.feed.run()


def _source(wanted: IdentityConfig) -> IdentityConfig:
    # Revocation lists are the trust feed's, exports the outlets'.
    return replace(wanted, crl=None, exports=(), allow_export=False)
