"""A blocking store as a `SecretStore`: its calls are made one after the other, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from identity.secret_stores.base import BlockingStore, Secret, SecretRef

_Result = TypeVar("_Result")

#: How long after a call the blocking store is closed, so that it holds nothing while unused.
IDLE_S: Final = 5.0

_INTERRUPT_INTERVAL_S: Final = 0.1


class ThreadedStore:
    """A `SecretStore` over a blocking one. A call that is cancelled is interrupted."""

    def __init__(self, store: BlockingStore, *, idle_s: float = IDLE_S) -> None:
        self._store = store
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    async def get(self, ref: SecretRef) -> Secret:
        """See `SecretStore.get`."""
        return await self._call(lambda: self._store.get(ref))

    async def set(self, ref: SecretRef, value: Secret) -> None:
        """See `SecretStore.set`."""
        await self._call(lambda: self._store.set(ref, value))

    async def delete(self, ref: SecretRef) -> None:
        """See `SecretStore.delete`."""
        await self._call(lambda: self._store.delete(ref))

    async def names(self, project: str) -> list[str]:
        """See `SecretStore.names`."""
        return await self._call(lambda: self._store.names(project))

    async def close(self) -> None:
        """Interrupt a call in progress, and close the blocking store."""
        self._store.interrupt()
        async with self._turn:
            await self._stay()
            await asyncio.to_thread(self._store.close)

    async def _call(self, work: Callable[[], _Result]) -> _Result:
        async with self._turn:
            await self._stay()
            try:
                return await self._in_thread(work)
            finally:
                loop = asyncio.get_running_loop()
                self._idle = loop.call_later(self._idle_s, self._close_unused)

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        call = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            # A thread can't be cancelled, and the next call must not begin beside this one.
            while not call.done():
                self._store.interrupt()
                await asyncio.wait({call}, timeout=_INTERRUPT_INTERVAL_S)
            if not call.cancelled():
                call.exception()
            raise

    async def _stay(self) -> None:
        """Call off the closing of the unused store; if that has begun, wait for its end."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._closing is not None:
            await self._closing
            self._closing = None

    def _close_unused(self) -> None:
        self._idle = None
        self._closing = asyncio.create_task(asyncio.to_thread(self._store.close))
