"""Feeds for the supervisor that do what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NoReturn

from certs.clock import SystemClock
from certs.generation import Generation
from gateway.config.model import Config, ConfiguConfig
from gateway.control_plane.configu_feed import ConfiguFeed
from gateway.control_plane.credential_renewals import Renewal
from gateway.control_plane.feeds import Feeds
from gateway.control_plane.snapshots import Attached
from gateway.control_plane.views import IdentityView, SecretView


def generation(number: int = 1, *, lifetime_s: float = 3600) -> Generation:
    """A generation with made-up material."""
    now = datetime.now(UTC)
    return Generation(
        number=number,
        key_pem=b"KEY",
        chain_pem=b"CHAIN",
        bundle_pem=b"BUNDLE",
        spiffe_id="spiffe://acme.example/gw",
        dns_names=(),
        serial=f"{number:02x}",
        issuer="CN=Acme",
        source="fake",
        not_before=now,
        not_after=now + timedelta(seconds=lifetime_s),
    )


class FakeIdentityFeed:
    """Delivers when told to; remembers what it was asked."""

    def __init__(
        self,
        publish: Callable[[Generation], None],
        failed: Callable[[], None],
        first: Generation | None,
    ) -> None:
        self.publish = publish
        self.refreshed: list[str] = []
        self.error = ""
        self._failed = failed
        self.closed = False
        self.running = False
        self.stops_in_s = 0.0
        self._first = first
        self.revocation_lists = ""

    def fail(self, error: str) -> None:
        """What an attempt that failed brings about."""
        self.error = error
        self._failed()

    def view(self) -> IdentityView:
        return IdentityView(
            source="fake",
            state="valid",
            last_error=self.error,
            reason=self.error,
            renewals={"ok": 1},
        )

    async def run(self) -> None:
        self.running = True
        if self._first is not None:
            self.publish(self._first)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(self.stops_in_s)

    def refresh(self, reason: str) -> None:
        self.refreshed.append(reason)

    async def close(self) -> None:
        self.closed = True


class FakeHeaderFeed:
    """Attaches fixed headers; a test may make it wait before it takes routes over."""

    def __init__(self, attached: Mapping[str, Attached]) -> None:
        self.attached: Mapping[str, Attached] = attached
        self.secrets = (SecretView(name="planner-token", route="planner", state="ready"),)
        self.refreshed = 0
        self.renewed: list[str] = []
        self.renewal: Renewal = "unchanged"
        self.may_prepare = asyncio.Event()
        self.may_prepare.set()
        self.is_preparing = asyncio.Event()

    def read_again(self) -> None:
        """There is nothing else to read."""

    async def prepare(self, config: Config) -> None:
        self.is_preparing.set()
        await self.may_prepare.wait()

    async def refresh(self) -> None:
        self.refreshed += 1

    async def renew(self, route: str) -> Renewal:
        self.renewed.append(route)
        return self.renewal

    async def run(self) -> None:
        await asyncio.Event().wait()


def no_configu() -> ConfiguFeed:
    """A feed for configurations that have no `[configu]`."""

    def open_sync(_config: ConfiguConfig, _project: str) -> NoReturn:
        raise AssertionError

    return ConfiguFeed(open_sync, clock=SystemClock(), rng=Random(1))


class FakeFeeds:
    """Makes fakes and keeps them for the test to reach."""

    def __init__(
        self,
        *,
        first: Generation | None = None,
        attached: Mapping[str, Attached] | None = None,
    ) -> None:
        self._first = first
        self._attached = attached or {}
        self.identities: list[FakeIdentityFeed] = []
        self.by_name: dict[str, list[FakeIdentityFeed]] = {}
        self.header_feed = FakeHeaderFeed(self._attached)

    @property
    def feeds(self) -> Feeds:
        return Feeds(identity=self._identity, headers=self._headers, configu=no_configu())

    def _identity(
        self,
        _config: Config,
        name: str,
        publish: Callable[[Generation], None],
        failed: Callable[[], None],
    ) -> FakeIdentityFeed:
        self.identities.append(FakeIdentityFeed(publish, failed, self._first))
        self.by_name.setdefault(name, []).append(self.identities[-1])
        return self.identities[-1]

    def _headers(self, _config: Config, _changed: Callable[[], None]) -> FakeHeaderFeed:
        return self.header_feed
