from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.model import UnixAddress
from gateway.errors import StartFailed
from tests.fakes import configs
from tests.fakes.supervisor_rig import running, with_other_source


async def test_a_drain_ends_also_while_a_reload_swaps_a_source_that_stops_slowly(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        first = gateway.feeds.identities[0]
        first.stops_in_s = 0.5
        gateway.on_disk = with_other_source(gateway.config)
        reload = asyncio.create_task(gateway.supervisor.reload())
        while len(gateway.feeds.identities) < 2 or first.closed:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        gateway.supervisor.drain()
        await asyncio.wait([reload], timeout=5)
        async with asyncio.timeout(30):
            assert await gateway.end == 0
        assert [identity.closed for identity in gateway.feeds.identities] == [True, True]


async def test_a_drain_gives_a_reload_up_and_takes_back_what_it_opened(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        other = with_other_source(gateway.config)
        new = tmp_path / "new.sock"
        extra = configs.route("extra", listen=(UnixAddress(new),))
        gateway.on_disk = replace(other, routes=(*other.routes, extra))
        headers = gateway.feeds.header_feed
        headers.is_preparing.clear()
        headers.may_prepare.clear()
        reload = asyncio.create_task(gateway.supervisor.reload())
        async with asyncio.timeout(30):
            await headers.is_preparing.wait()
        assert new.exists()
        gateway.supervisor.drain()
        with pytest.raises(StartFailed, match="stopping"):
            await reload
        assert not new.exists()
        assert gateway.feeds.identities[1].closed
        headers.may_prepare.set()
        with pytest.raises(StartFailed, match="stopping"):
            await gateway.supervisor.reload()
        async with asyncio.timeout(30):
            assert await gateway.end == 0


async def test_a_drain_while_listeners_are_being_opened_leaves_none(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        news = [tmp_path / f"{index}.sock" for index in range(20)]
        extra = configs.route("extra", listen=tuple(UnixAddress(path) for path in news))
        gateway.on_disk = replace(gateway.config, routes=(*gateway.config.routes, extra))
        reload = asyncio.create_task(gateway.supervisor.reload())
        while not news[0].exists() and not reload.done():
            await asyncio.sleep(0)
        gateway.supervisor.drain()
        await asyncio.wait([reload], timeout=5)
        async with asyncio.timeout(30):
            assert await gateway.end == 0
        assert not [path for path in news if path.exists()]
