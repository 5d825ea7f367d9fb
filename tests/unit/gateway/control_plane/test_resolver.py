from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.control_plane import resolver as module
from gateway.control_plane.resolver import Resolver, look_up

TARGET = ("planner.example", 8443)


class Answers:
    def __init__(self) -> None:
        self.value: tuple[tuple[str, int], ...] | OSError | None = (("192.0.2.1", 8443),)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> tuple[tuple[str, int], ...]:
        self.asked += 1
        if self.value is None:
            await asyncio.Event().wait()
        if isinstance(self.value, OSError):
            raise self.value
        assert self.value is not None
        return self.value


def make(answers: Answers) -> tuple[Resolver, Callable[[], int]]:
    changes: list[None] = []
    return Resolver(lambda: changes.append(None), lookup=answers), lambda: len(changes)


async def test_literals_need_no_look_up() -> None:
    answers = Answers()
    resolver, _ = make(answers)
    resolver.watch([("127.0.0.1", 1), ("::1", 2), ("/run/agent.sock", 0)])
    assert resolver.resolved["/run/agent.sock", 0].found == (("/run/agent.sock", 0),)
    assert resolver.resolved["127.0.0.1", 1].found == (("127.0.0.1", 1),)
    assert resolver.resolved["::1", 2].found == (("::1", 2),)
    await resolver.refresh()
    assert answers.asked == 0


async def test_a_change_is_told_once() -> None:
    answers = Answers()
    resolver, changes = make(answers)
    resolver.watch([TARGET])
    await resolver.refresh()
    await resolver.refresh()
    assert changes() == 1
    assert resolver.resolved[TARGET].found == (("192.0.2.1", 8443),)
    answers.value = (("192.0.2.2", 8443),)
    await resolver.refresh()
    assert changes() == 2


async def test_a_failure_keeps_the_last_good_addresses(caplog: pytest.LogCaptureFixture) -> None:
    answers = Answers()
    resolver, _ = make(answers)
    resolver.watch([TARGET])
    await resolver.refresh()
    answers.value = OSError(-2, "Name or service not known")
    await resolver.refresh()
    kept = resolver.resolved[TARGET]
    assert kept.found == (("192.0.2.1", 8443),)
    assert kept.error == "planner.example does not resolve: name or service not known"
    assert "the last addresses stay in use" in caplog.text


async def test_addresses_in_another_order_are_no_change() -> None:
    answers = Answers()
    resolver, changes = make(answers)
    resolver.watch([TARGET])
    six, four, other_four = ("2001:db8::1", 8443), ("192.0.2.1", 8443), ("192.0.2.2", 8443)
    for answers.value in ((six, other_four, four), (six, four, other_four)):
        await resolver.refresh()
        assert resolver.resolved[TARGET].found == (six, four, other_four)
    assert changes() == 1
    answers.value = (four, six, other_four)
    await resolver.refresh()
    assert resolver.resolved[TARGET].found == (four, other_four, six), "the system's preference"


async def test_an_answer_without_addresses_is_a_failure() -> None:
    answers = Answers()
    resolver, _ = make(answers)
    resolver.watch([TARGET])
    await resolver.refresh()
    answers.value = ()
    await resolver.refresh()
    kept = resolver.resolved[TARGET]
    assert kept.found == (("192.0.2.1", 8443),)
    assert kept.error == "planner.example has no address"


async def test_a_look_up_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.01)
    answers = Answers()
    answers.value = None
    resolver, _ = make(answers)
    resolver.watch([TARGET])
    await resolver.refresh()
    assert "no answer about planner.example" in resolver.resolved[TARGET].error


def _found(resolver: Resolver) -> dict[str, tuple[tuple[str, int], ...]]:
    return {host: answer.found for (host, _), answer in resolver.resolved.items()}


async def test_no_name_waits_for_another() -> None:
    hangs = asyncio.Event()

    async def lookup(host: str, port: int) -> tuple[tuple[str, int], ...]:
        if host == "slow.example":
            await hangs.wait()
        return (("192.0.2.1", port),)

    changed = asyncio.Event()
    resolver = Resolver(changed.set, lookup=lookup)
    resolver.watch([("slow.example", 1), ("quick.example", 2)])
    refresh = asyncio.create_task(resolver.refresh())
    async with asyncio.timeout(30):
        await changed.wait()
    assert _found(resolver) == {"slow.example": (), "quick.example": (("192.0.2.1", 2),)}
    hangs.set()
    await refresh
    assert _found(resolver)["slow.example"] == (("192.0.2.1", 1),)


async def test_a_refresh_that_is_given_up_leaves_nothing_running() -> None:
    answers = Answers()
    answers.value = None
    resolver, _ = make(answers)
    resolver.watch([TARGET])
    refresh = asyncio.create_task(resolver.refresh())
    await asyncio.sleep(0)
    refresh.cancel()
    with pytest.raises(asyncio.CancelledError):
        await refresh
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_name_that_is_no_longer_wanted_is_forgotten() -> None:
    resolver, changes = make(Answers())
    resolver.watch([TARGET])
    await resolver.refresh()
    resolver.watch([("127.0.0.1", 1)])
    await resolver.refresh()
    assert TARGET not in resolver.resolved
    assert changes() == 1


async def test_a_new_name_is_looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers()
    resolver, changes = make(answers)
    task = asyncio.create_task(resolver.run())
    await asyncio.sleep(0)
    resolver.watch([TARGET])
    async with asyncio.timeout(30):
        while not changes():
            await asyncio.sleep(0)
    task.cancel()


async def test_a_failure_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    answers = Answers()
    answers.value = OSError("down")
    resolver, _ = make(answers)
    resolver.watch([TARGET])
    task = asyncio.create_task(resolver.run())
    async with asyncio.timeout(30):
        while answers.asked < 3:
            await asyncio.sleep(0.005)
    task.cancel()


async def test_the_system_resolves_localhost() -> None:
    found = await look_up("localhost", 443)
    assert ("127.0.0.1", 443) in found or ("::1", 443) in found
    assert len(found) == len(set(found))


@pytest.mark.parametrize("name", ["no-such-host.invalid", "x" * 70 + ".invalid"])
async def test_a_name_that_does_not_resolve_is_an_os_error(name: str) -> None:
    with pytest.raises(OSError, match=r"."):
        await look_up(name, 443)
