"""`identity.secret_stores.threaded`."""

from __future__ import annotations

import asyncio
import threading

import pytest

from identity.errors import StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.threaded import ThreadedStore

TOKEN = SecretRef("acme", "token")


class GatedStore:
    """Blocks in `get` until it is let go or interrupted."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.interrupted = False
        self.closed = threading.Event()
        self.running = 0

    def get(self, ref: SecretRef) -> Secret:
        self.running += 1
        assert self.running == 1, "two calls at once"
        self.entered.set()
        self.go.wait(10)
        self.running -= 1
        if self.interrupted:
            raise StoreUnavailable("interrupted")
        return Secret("value")

    def set(self, ref: SecretRef, value: Secret) -> None:
        raise NotImplementedError

    def delete(self, ref: SecretRef) -> None:
        raise NotImplementedError

    def names(self, project: str) -> list[str]:
        return ["token"]

    def close(self) -> None:
        self.closed.set()

    def interrupt(self) -> None:
        self.interrupted = True
        self.go.set()


async def entered(store: GatedStore) -> None:
    while not store.entered.is_set():
        await asyncio.sleep(0.005)


async def test_the_loop_goes_on_while_a_call_waits() -> None:
    blocking = GatedStore()
    store = ThreadedStore(blocking)
    call = asyncio.create_task(store.get(TOKEN))
    await entered(blocking)
    blocking.go.set()
    assert (await call).reveal() == "value"
    await store.close()


async def test_calls_are_made_one_after_the_other() -> None:
    blocking = GatedStore()
    blocking.go.set()
    store = ThreadedStore(blocking)
    await asyncio.gather(*(store.get(TOKEN) for _ in range(5)))
    await store.close()


async def test_a_cancelled_call_is_interrupted_before_the_next_begins() -> None:
    blocking = GatedStore()
    store = ThreadedStore(blocking)
    call = asyncio.create_task(store.get(TOKEN))
    await entered(blocking)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert blocking.interrupted
    assert blocking.running == 0
    assert await store.names("acme") == ["token"]
    await store.close()


async def test_closing_interrupts_a_call() -> None:
    blocking = GatedStore()
    store = ThreadedStore(blocking)
    call = asyncio.create_task(store.get(TOKEN))
    await entered(blocking)
    await store.close()
    with pytest.raises(StoreUnavailable):
        await call
    assert blocking.closed.is_set()


async def test_an_unused_store_is_closed_after_a_while_and_not_before() -> None:
    blocking = GatedStore()
    store = ThreadedStore(blocking, idle_s=0.05)
    await store.names("acme")
    assert not blocking.closed.is_set()
    await asyncio.to_thread(blocking.closed.wait, 5)
    assert blocking.closed.is_set()
    assert await store.names("acme") == ["token"]
    await store.close()
