"""The issuer's one thread."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from certs.issuer import worker as module
from certs.issuer.refusal import Code, Refused
from certs.issuer.worker import Worker


async def test_calls_run_in_one_thread_in_turn() -> None:
    worker = Worker()
    seen: list[tuple[int, int]] = []

    def note(number: int) -> None:
        seen.append((number, threading.get_ident()))

    await asyncio.gather(*(worker.run(partial(note, number)) for number in range(20)))
    assert [number for number, _ in seen] == list(range(20))
    assert len({thread for _, thread in seen} - {threading.get_ident()}) == 1
    worker.close()


async def test_what_a_call_raises_comes_out() -> None:
    worker = Worker()
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    worker.close()


async def test_too_many_waiting_are_refused_and_the_others_served() -> None:
    worker, gate = Worker(), threading.Event()
    waiting = [asyncio.create_task(worker.run(gate.wait)) for _ in range(128)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as caught:
        await worker.run(lambda: None)
    assert (caught.value.code, caught.value.retry_after_s) == (Code.OVERLOADED, 1)
    gate.set()
    assert all(await asyncio.gather(*waiting))
    worker.close()


async def test_a_turn_that_doesnt_come_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEADLINE_S", 0.02)
    worker, gate = Worker(), threading.Event()
    blocked = asyncio.create_task(worker.run(gate.wait))
    await asyncio.sleep(0)
    ran: list[str] = []
    with pytest.raises(Refused):
        await worker.run(lambda: ran.append("late"))
    with pytest.raises(Refused):
        await blocked
    gate.set()
    await worker.run(lambda: None)
    assert ran == []
    worker.close()
