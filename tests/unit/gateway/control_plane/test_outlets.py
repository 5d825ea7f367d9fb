"""Keys leave only where the configuration says so, and the journal knows of each."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.control_plane.outlets import Outlets
from gateway.control_plane.workload_service import WorkloadCaller
from gateway.errors import GatewayError
from tests.fakes.clock import START, FakeClock
from tests.fakes.configs import config
from tests.fakes.feeds import generation

WITHIN_S = 20


class Rig:
    def __init__(self, folder: Path, *, allow_export: bool = True) -> None:
        plain = config(folder)
        self.config = replace(plain, identity=replace(plain.identity, allow_export=allow_export))
        self.events: list[tuple[str, str, str, str]] = []
        self.clock = FakeClock(START)
        self.outlets = Outlets(self.config, self.record, self.audit, clock=self.clock)

    def record(self, action: str, *, name: str = "", reason: str = "") -> None:
        self.audit(action, name=name, reason=reason)

    def audit(self, action: str, *, outcome: str = "ok", name: str = "", reason: str = "") -> None:
        self.events.append((action, outcome, name, reason))

    async def ask(self, name: str = "default", **more: Any) -> dict[str, Any]:
        return await self.outlets.material(name, "uid:7", **more)


async def test_the_key_is_not_given_unless_that_is_configured(tmp_path: Path) -> None:
    rig = Rig(tmp_path, allow_export=False)
    rig.outlets.put("default", generation(1))
    with pytest.raises(GatewayError, match="is not given to commands") as caught:
        await rig.ask()
    assert "allow_export = true" in caught.value.hint
    assert rig.events == [("identity.handed_out", "denied", "default", "to uid:7")]


async def test_the_key_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with pytest.raises(GatewayError, match="no valid certificate"):
        await rig.ask()
    with pytest.raises(GatewayError, match="there is no identity 'other'") as caught:
        await rig.ask("other")
    assert caught.value.hint == "there are: default"
    rig.outlets.put("default", generation(1))
    found = await rig.ask()
    assert (found["key"], found["chain"], found["bundle"]) == ("KEY", "CHAIN", "BUNDLE")
    assert rig.events == [
        ("identity.handed_out", "ok", "spiffe://acme.example/gw", "serial 01 to uid:7")
    ]


async def test_who_has_it_waits_for_the_next_one(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.outlets.put("default", generation(1))
    digest = (await rig.ask())["digest"]
    assert await rig.ask(but=digest, wait_s=0.01) == {"digest": digest}
    waiting = asyncio.create_task(rig.ask(but=digest, wait_s=WITHIN_S))
    await asyncio.sleep(0)
    rig.outlets.put("default", generation(1))  # the same again
    await asyncio.sleep(0)
    assert not waiting.done()
    rig.outlets.put("default", replace(generation(2), bundle_pem=b"NEW"))
    assert (await waiting)["bundle"] == "NEW"
    assert len(rig.events) == 2


async def test_leave_that_is_taken_away_while_a_command_waits(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.outlets.put("default", generation(1))
    digest = (await rig.ask())["digest"]
    waiting = asyncio.create_task(rig.ask(but=digest, wait_s=WITHIN_S))
    await asyncio.sleep(0)
    closed = replace(rig.config, identity=replace(rig.config.identity, allow_export=False))
    await rig.outlets.use(closed)
    rig.outlets.put("default", replace(generation(2), bundle_pem=b"NEW"))
    with pytest.raises(GatewayError, match="is not given to commands"):
        await waiting


async def test_refusals_dont_fill_the_journal(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    one, two = (WorkloadCaller(uid=uid) for uid in (1, 2))
    for caller in (one, one, two, one):
        rig.outlets.refused(caller, f"nothing for {caller}")
    assert [event[2] for event in rig.events] == ["uid:1", "uid:2"]
    await rig.clock.advance(61)
    rig.outlets.refused(one, "nothing")
    assert len(rig.events) == 3


async def test_what_is_public_is_given_without_leave_and_without_the_key(tmp_path: Path) -> None:
    rig = Rig(tmp_path, allow_export=False)
    with pytest.raises(GatewayError, match="no certificate of the identity 'default' yet"):
        rig.outlets.certificates("default", "LISTS")
    rig.outlets.put("default", generation(1, lifetime_s=-1))
    found = rig.outlets.certificates("default", "LISTS")
    assert (found["chain"], found["bundle"], found["expected_id"]) == ("CHAIN", "BUNDLE", "")
    assert found["crl"] == "LISTS"
    assert "KEY" not in found.values()
    with pytest.raises(GatewayError, match="there is no identity 'other'"):
        rig.outlets.certificates("other", "")
