"""The certificate rotation as the supervisor sees it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from certs.clock import BootClock
from certs.followed_lists import FollowedLists
from certs.generation import Generation
from certs.rotation import Rotation
from certs.sources.base import IdentitySource, RevocationSource
from gateway.control_plane.views import IdentityView, TrustView


class RotationFeed:
    """An `IdentityFeed` over one identity source."""

    def __init__(
        self,
        source: IdentitySource,
        publish: Callable[[Generation], None],
        changed: Callable[[], None],
        *,
        clock: BootClock,
        rng: random.Random,
    ) -> None:
        self._source = source
        self._clock = clock
        self._publish = publish
        self._rotation = Rotation(source, clock=clock, rng=rng, publish=self._take, failed=changed)
        self._lists: FollowedLists | None = None
        if isinstance(source, RevocationSource):
            self._lists = FollowedLists(
                source,
                clock=clock,
                rng=rng,
                changed=changed,
                concerned=self._rotation.hear,
            )

    @property
    def revocation_lists(self) -> str:
        """See `IdentityFeed.revocation_lists`."""
        return self._lists.text if self._lists is not None else ""

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
            trust=self._trust(),
        )

    async def run(self) -> None:
        """See `IdentityFeed.run`."""
        if self._lists is None:
            await self._rotation.run()
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rotation.run())
            tasks.create_task(self._lists.run())

    def refresh(self, reason: str) -> None:
        """See `IdentityFeed.refresh`."""
        self._rotation.refresh(reason)

    async def close(self) -> None:
        """See `IdentityFeed.close`."""
        await self._source.close()

    def _take(self, generation: Generation) -> None:
        if self._lists is not None:
            self._lists.use(generation)
        self._publish(generation)

    def _trust(self) -> TrustView | None:
        if self._lists is None:
            return None
        problem = self._lists.problem(self._clock.now())
        return TrustView(problems=(problem,) if problem else (), crl_ends_at=self._lists.ends_at)
