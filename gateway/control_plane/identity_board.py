"""The present generation of each identity, and word of changes, for those who hand them on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from certs.generation import Generation


class IdentityBoard:
    """Written by the supervisor, read by any number of tasks."""

    def __init__(self) -> None:
        self._present: dict[str, Generation] = {}
        self._changed = asyncio.Event()
        self.version = 0

    def put(self, name: str, generation: Generation) -> None:
        """A new generation of an identity."""
        self._present[name] = generation
        self.tell()

    def keep(self, names: Mapping[str, object]) -> None:
        """Forget the identities that aren't among `names`, in their order."""
        present = {name: self._present[name] for name in names if name in self._present}
        if present != self._present:
            self._present = present
            self.tell()

    def tell(self) -> None:
        """Say that something has changed, such as who may have what."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def usable(self, name: str, now: datetime) -> Generation | None:
        """The generation of an identity unless there is none, or it has ended."""
        generation = self._present.get(name)
        return generation if generation is not None and now < generation.not_after else None

    def present(self, name: str) -> Generation | None:
        """The last generation of an identity, ended or not."""
        return self._present.get(name)

    async def changed(self, version: int) -> None:
        """Return once there is something newer than `version`."""
        while version == self.version:
            await self._changed.wait()
