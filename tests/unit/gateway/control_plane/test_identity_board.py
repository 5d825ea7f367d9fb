"""Who waits for a change hears of each, also of one that came before it waited."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from gateway.control_plane.identity_board import IdentityBoard
from tests.fakes.feeds import generation


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_change_wakes_all_and_none_is_missed() -> None:
    board = IdentityBoard()
    waiting = [asyncio.create_task(board.changed(0)) for _ in range(3)]
    await asyncio.sleep(0)
    board.put("default", generation())
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    await asyncio.wait_for(board.changed(0), 5)
    late = asyncio.create_task(board.changed(board.version))
    await asyncio.sleep(0)
    assert not late.done()
    board.tell()
    await asyncio.wait_for(late, 5)


def test_what_has_ended_is_not_usable() -> None:
    board = IdentityBoard()
    assert board.usable("default", now()) is None
    item = generation(lifetime_s=100)
    board.put("default", item)
    assert board.usable("default", now()) == item
    assert board.usable("default", item.not_after - timedelta(seconds=1)) == item
    assert board.usable("default", item.not_after) is None


def test_an_identity_that_is_configured_no_more_is_gone() -> None:
    board = IdentityBoard()
    board.put("a", generation())
    board.put("b", generation())
    version = board.version
    board.keep({"a": None, "b": None})
    assert board.version == version
    board.keep({"b": None, "c": None})
    assert board.version > version
    assert board.usable("a", now()) is None
    assert board.usable("b", now()) is not None
