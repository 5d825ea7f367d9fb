from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.config.mfa_policy import MfaConfig
from gateway.config.model import SecretsConfig
from gateway.config.rotate_model import RotateConfig
from gateway.control_plane.rotations import MOST_ASKED, RotationKeeper, TooOften
from gateway.rotation.engine import RotationRefused
from tests.fakes import configs
from tests.fakes.desks import memory_desk
from tests.unit.gateway.control_plane.test_admin_api import FakeControls, api


async def post(path: Path, body: Any, **headers: str) -> tuple[int, Any]:
    connector = aiohttp.UnixConnector(path=str(path))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://gw/rotations", json=body, headers=headers) as reply,
    ):
        return reply.status, await reply.json(content_type=None)


async def test_what_is_asked_for_is_handed_on(tmp_path: Path) -> None:
    async with api(tmp_path, FakeControls()) as path:
        code, told = await post(path, {"name": "key", "action": "rollback"})
    assert code == 200
    assert (told["name"], told["action"], told["value"]) == ("key", "rollback", "")
    assert told["who"].startswith("uid:")


@pytest.mark.parametrize("mark", ["Origin", "Referer", "Sec-Fetch-Site"])
async def test_a_page_of_a_browser_may_not_ask(mark: str, tmp_path: Path) -> None:
    async with api(tmp_path, FakeControls()) as path:
        assert (await post(path, {"name": "key"}, **{mark: "http://localhost"}))[0] == 403


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        ({"name": "key"}, "text/plain", 415),
        ({}, "application/json", 400),
        ([], "application/json", 400),
        ({"name": 1}, "application/json", 400),
        ({"name": "key", "more": "x"}, "application/json", 400),
        ({"name": "key", "action": "explode"}, "application/json", 400),
    ],
)
async def test_what_is_malformed_is_refused(
    body: object, kind: str, code: int, tmp_path: Path
) -> None:
    async with api(tmp_path, FakeControls()) as path:
        assert (await post(path, body, **{"Content-Type": kind}))[0] == code


async def test_there_is_an_end_to_asking(tmp_path: Path) -> None:
    config = configs.config(tmp_path)

    async def refresh() -> None:
        """Nothing to read."""

    desk = memory_desk(config, refresh)
    keeper = RotationKeeper(config, lambda _: desk, desk.journal, refresh)
    for _ in range(MOST_ASKED):
        with pytest.raises(RotationRefused, match="nothing says how"):
            await keeper.ask("key", "start", who="uid:0")
    with pytest.raises(TooOften):
        await keeper.ask("key", "start", who="uid:0")


@pytest.mark.parametrize("action", ["start", "resume", "rollback"])
@pytest.mark.parametrize(
    "mfa", [MfaConfig(commands=frozenset({"rotate"})), MfaConfig(secrets=("prod-*",))]
)
async def test_what_takes_a_touch_can_not_be_asked_for(
    mfa: MfaConfig, action: str, tmp_path: Path
) -> None:
    wanted = RotateConfig(name="key", provider="prompt", secret="prod-key", grace_s=60.0)
    config = replace(
        configs.config(tmp_path), mfa=mfa, rotations=(wanted,), secrets=SecretsConfig(store="vault")
    )

    async def refresh() -> None:
        raise AssertionError("switched")

    desk = memory_desk(config, refresh)
    keeper = RotationKeeper(config, lambda _: desk, desk.journal, refresh)
    with pytest.raises(RotationRefused, match="takes a touch"):
        await keeper.ask("key", action, who="uid:0", value="new")
    assert desk.views()[0].last is None
    (line,) = desk.journal.path.read_text().splitlines()
    assert ('"rotation.ask"' in line, '"denied"' in line) == (True, True)
