"""Each identity has a feed and a fate of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from certs.generation import Generation
from gateway.config.model import Config, IdentityConfig, SpiffeSourceConfig
from gateway.control_plane.identities import Identities
from tests.fakes import configs
from tests.fakes.feeds import FakeFeeds, FakeIdentityFeed, generation

BILLING = IdentityConfig(sources=(SpiffeSourceConfig(),))


class Home:
    """Identities with fake feeds, and what they told."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.published: list[tuple[str, int]] = []
        self.changes = 0
        self._feeds = FakeFeeds()
        self.identities = Identities(config, self._feeds.feeds.identity, self._on, self._count)

    def _on(self, name: str, got: Generation) -> None:
        self.published.append((name, got.number))

    def _count(self) -> None:
        self.changes += 1

    def feed(self, name: str) -> FakeIdentityFeed:
        """The feed that was made last for a name."""
        return self._feeds.by_name[name][-1]

    def change(self, **identities: IdentityConfig) -> None:
        self.config = replace(self.config, identities=identities)
        self.identities.commit(self.identities.prepare(self.config))


@asynccontextmanager
async def home(folder: Path, **identities: IdentityConfig) -> AsyncIterator[Home]:
    made = Home(configs.config(folder, identities=identities))
    running = asyncio.create_task(made.identities.run())
    await asyncio.sleep(0)
    try:
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await made.identities.close()


async def until(feed: FakeIdentityFeed) -> None:
    async with asyncio.timeout(10):
        while not feed.closed:
            await asyncio.sleep(0)


async def test_one_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    async with home(tmp_path, billing=BILLING) as here:
        here.feed("default").publish(generation())
        here.feed("billing").fail("its issuer is down")
        held = here.identities.held()
        assert held["default"].reason == ""
        assert (held["billing"].generation, held["billing"].reason) == (None, "its issuer is down")
        assert here.changes == 1
        assert list(here.identities.views()) == ["default", "billing"]


async def test_each_counts_its_own_generations(tmp_path: Path) -> None:
    async with home(tmp_path, billing=BILLING) as here:
        for name in ("default", "billing", "default", "default"):
            here.feed(name).publish(generation())
        assert here.published == [("default", 1), ("billing", 1), ("default", 2), ("default", 3)]


async def test_it_is_complete_when_there_is_one_of_each(tmp_path: Path) -> None:
    async with home(tmp_path, billing=BILLING) as here:
        waiting = asyncio.create_task(here.identities.wait_complete())
        here.feed("default").publish(generation())
        await asyncio.sleep(0)
        assert not waiting.done()
        here.feed("billing").publish(generation())
        async with asyncio.timeout(10):
            await waiting


async def test_a_refusal_renews_the_identity_that_was_refused(tmp_path: Path) -> None:
    async with home(tmp_path, billing=BILLING) as here:
        default, billing = here.feed("default"), here.feed("billing")
        billing.publish(generation())
        here.identities.refresh_refused("billing", "invoices", 1, "revoked")
        here.identities.refresh_refused("billing", "invoices", 1, "revoked")
        here.identities.refresh("nobody", "why not")
        assert (default.refreshed, billing.refreshed) == ([], ["revoked"])
        assert not here.identities.refresh_expired("billing", "it is good")
        assert here.identities.refresh_expired("default", "there is none")
        assert default.refreshed == ["there is none"]


async def test_a_new_source_takes_over_when_the_old_one_has_ended(tmp_path: Path) -> None:
    async with home(tmp_path, billing=BILLING) as here:
        before = here.feed("billing")
        before.publish(generation())
        before.stops_in_s = 0.01
        here.change(billing=replace(BILLING, spiffe_id="spiffe://acme.example/b"))
        after = here.feed("billing")
        assert after is not before
        assert here.identities.held()["billing"].generation is not None, "it serves meanwhile"
        assert not after.running
        await until(before)
        async with asyncio.timeout(10):
            while not after.running:
                await asyncio.sleep(0)
        after.publish(generation())
        assert here.published == [("billing", 1), ("billing", 2)]
        assert not here.feed("default").closed


async def test_identities_come_and_go_with_the_configuration(tmp_path: Path) -> None:
    async with home(tmp_path) as here:
        here.change(billing=BILLING)
        billing = here.feed("billing")
        billing.publish(generation())
        here.change()
        await until(billing)
        assert list(here.identities.held()) == ["default"]
        billing.publish(generation())
        assert here.published == [("billing", 1)], "the last word of one that is gone"
        here.change(billing=BILLING)
        here.feed("billing").publish(generation())
        assert here.published[-1] == ("billing", 2), "its numbers are never used twice"


async def test_what_is_not_taken_in_is_closed(tmp_path: Path) -> None:
    async with home(tmp_path) as here:
        config = replace(here.config, identities={"billing": BILLING})
        await here.identities.prepare(config).undo()
        assert here.feed("billing").closed
        assert list(here.identities.held()) == ["default"]


async def test_other_revocation_lists_are_no_other_source(tmp_path: Path) -> None:
    async with home(tmp_path, billing=BILLING) as here:
        before = here.feed("billing")
        here.change(billing=replace(BILLING, crl=Path("/crl.pem")))
        assert here.feed("billing") is before


async def test_all_are_closed_at_the_end(tmp_path: Path) -> None:
    async with home(tmp_path, billing=BILLING) as here:
        replaced = here.feed("billing")
        replaced.stops_in_s = 0.05
        here.change(billing=replace(BILLING, spiffe_id="spiffe://acme.example/b"))
    assert replaced.closed
    assert here.feed("billing").closed
    assert here.feed("default").closed
