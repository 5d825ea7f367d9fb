"""The certificate rotation as the supervisor sees it."""

from __future__ import annotations

import random
from collections.abc import Callable

from certs.clock import BootClock
from certs.generation import Generation
from certs.rotation import Rotation
from certs.sources.base import IdentitySource
from gateway.control_plane.views import IdentityView


class RotationFeed:
    """An `IdentityFeed` over one identity source."""

    def __init__(
        self,
        source: IdentitySource,
        publish: Callable[[Generation], None],
        failed: Callable[[], None],
        *,
        clock: BootClock,
        rng: random.Random,
    ) -> None:
        self._source = source
        self._rotation = Rotation(source, clock=clock, rng=rng, publish=publish, failed=failed)

    def view(self) -> IdentityView:
        """See `IdentityFeed.view`."""
        state = self._rotation.state
        return IdentityView(
            source=self._source.name,
            state=state.state.value,
            generation=state.generation,
            since=state.since,
            next_renewal=state.next_attempt,
            earliest_renewal=state.earliest_attempt,
            last_error=state.last_error,
            last_error_hint=state.last_error_hint,
            last_error_at=state.last_error_at,
            reason=state.reason,
            renewals=state.renewals,
            renewal_s=state.renewal_s,
            clock_skew_s=state.clock_skew_s,
        )

    async def run(self) -> None:
        """See `IdentityFeed.run`."""
        await self._rotation.run()

    def refresh(self, reason: str) -> None:
        """See `IdentityFeed.refresh`."""
        self._rotation.refresh(reason)

    async def close(self) -> None:
        """See `IdentityFeed.close`."""
        await self._source.close()
