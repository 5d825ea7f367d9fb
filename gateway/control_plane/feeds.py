"""What the supervisor is fed by; `gateway.app` picks who does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from certs.generation import Generation
from gateway.config.model import Config
from gateway.control_plane.configu_feed import ConfiguFeed
from gateway.control_plane.credential_renewals import Renewal
from gateway.control_plane.snapshots import Attached
from gateway.control_plane.views import IdentityView, SecretView


class IdentityFeed(Protocol):
    """Keeps one identity fresh. It hands each new generation to one callback that it was made with,
    and calls the other one when an attempt failed and the view says why, or when there are other
    revocation lists.
    """

    def view(self) -> IdentityView:
        """What is known now; `generation` may be left None, the supervisor knows it."""
        ...

    @property
    def revocation_lists(self) -> str:
        """Those that come with the identity, PEM; "" for none."""
        ...

    async def run(self) -> None:
        """Renew for ever; cancelled at the end."""
        ...

    def refresh(self, reason: str) -> None:
        """Ask for a renewal soon. Returns at once; several calls make one renewal."""
        ...

    async def close(self) -> None:
        """Release what the source holds."""
        ...


class HeaderFeed(Protocol):
    """Keeps the routes' header values, and calls back when one changed."""

    @property
    def attached(self) -> Mapping[str, Attached]:
        """Header values by route name, and those of `TELEMETRY`, as far as they were read."""
        ...

    @property
    def secrets(self) -> tuple[SecretView, ...]:
        """The state of each secret that a route refers to."""
        ...

    async def prepare(self, config: Config) -> None:
        """Take `config`'s routes over and read what they need, within a deadline of its own."""
        ...

    def read_again(self) -> None:
        """Read all of them again soon. Returns at once."""
        ...

    async def refresh(self) -> None:
        """Read all values again, now."""
        ...

    async def renew(self, route: str) -> Renewal:
        """The route's upstream refused its values: ask where they come from for others, which are
        published when this returns. Of each value that is done once in a while, whoever asks.
        """
        ...

    async def run(self) -> None:
        """Read again what failed or may have changed, for ever; cancelled at the end."""
        ...


MakeIdentity = Callable[
    [Config, str, Callable[[Generation], None], Callable[[], None]], IdentityFeed
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeds:
    """How feeds are made: each gets the configuration and what to call back; an identity's also its
    name in it. `configu` keeps the store's secrets as Configu has them.
    """

    identity: MakeIdentity
    headers: Callable[[Config, Callable[[], None]], HeaderFeed]
    configu: ConfiguFeed
