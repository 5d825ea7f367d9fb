"""All forwarders of a configuration: started, replaced and ended as it changes."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from gateway.audit.journal import Journal
from gateway.config.audit_model import ForwardConfig
from gateway.config.model import Config
from gateway.control_plane.snapshots import Attached
from gateway.control_plane.views import ForwardView
from identity.errors import SecretNotFound
from identity.secret_stores.base import OWN_PREFIX, Secret, SecretRef, SecretStore

if TYPE_CHECKING:
    from gateway.control_plane.forwarding.forwarder import Forwarder

#: Where the key is kept by which names are hashed.
NAMES_KEY: Final = f"{OWN_PREFIX}audit-names-key"
_KEY_BYTES: Final = 32
_NOT_READ: Final = Attached(unavailable="its secrets are still being read")


class Forwarders:
    """A forwarder for each table `[audit.forward.NAME]`. `run` is its one task."""

    def __init__(
        self,
        journal: Journal,
        store: SecretStore,
        *,
        version: str,
        rng: random.Random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._journal = journal
        self._store = store
        self._version = version
        self._rng = rng
        self._pause = pause
        self._attached: Mapping[str, Attached] = {}
        self._wanted: tuple[ForwardConfig, ...] = ()
        self._running: dict[ForwardConfig, tuple[Forwarder, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()
        self._key: bytes | None = None

    def configure(self, config: Config, attached: Mapping[str, Attached]) -> None:
        """Forward as this configuration says from now on, with these values of headers."""
        self._attached = attached
        if config.audit.forward != self._wanted:
            self._wanted = config.audit.forward
            self._changed.set()

    def position(self) -> int | None:
        """The number of the last line that all have passed on; None without any forwarder."""
        positions = []
        for item in self._wanted:
            running = self._running.get(item)
            positions.append(running[0].position if running else 0)
        return min(positions, default=None)

    def views(self) -> tuple[ForwardView, ...]:
        """How each stands."""
        return tuple(forwarder.view() for forwarder, _ in self._running.values())

    async def run(self) -> None:
        """Forward until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    for gone in set(self._running) - set(self._wanted):
                        await self._end(gone)
                    for item in self._wanted:
                        if item not in self._running:
                            forwarder = self._forwarder(item)
                            self._running[item] = forwarder, tasks.create_task(forwarder.run())
        finally:
            for forwarder, _ in self._running.values():
                await forwarder.close()

    async def finish(self, deadline_s: float) -> None:
        """Pass on what is left, once `run` has ended, for at most so long; the rest is passed on
        after the next start.
        """
        forwarders = [forwarder for forwarder, _ in self._running.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await asyncio.gather(*(forwarder.finish() for forwarder in forwarders))
        for forwarder in forwarders:
            await forwarder.close()

    async def _end(self, item: ForwardConfig) -> None:
        forwarder, task = self._running.pop(item)
        task.cancel()
        await asyncio.wait([task])
        await forwarder.close()

    def _forwarder(self, item: ForwardConfig) -> Forwarder:
        # Most gateways forward nothing.
        from gateway.control_plane.forwarding.open import open_forwarder

        return open_forwarder(
            item,
            self._journal,
            attached=lambda: self._attached.get(item.owner, _NOT_READ),
            name_key=self._name_key,
            version=self._version,
            rng=self._rng,
            pause=self._pause,
        )

    async def _name_key(self) -> bytes:
        """Raises `IdentityError`."""
        if self._key is None:
            ref = SecretRef(self._journal.project, NAMES_KEY)
            try:
                kept = await self._store.get(ref)
            except SecretNotFound:
                kept = Secret(secrets.token_hex(_KEY_BYTES))
                await self._store.set(ref, kept)
            self._key = kept.reveal().encode()
        return self._key
