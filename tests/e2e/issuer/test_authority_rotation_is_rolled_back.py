"""A rotation of the issuer's authority is rolled back from each of its phases under traffic: no
request fails, and everybody is back with the old authority.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.ca_rotation_stage import rotation_stage


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "phases",
    [("init",), ("init", "update_clients"), ("init", "update_clients", "update_servers")],
    ids=["init", "clients", "servers"],
)
async def test_no_request_fails_on_the_way_back(tmp_path: Path, phases: tuple[str, ...]) -> None:
    async with rotation_stage(tmp_path) as stage:
        for phase in phases:
            await stage.enter(phase)
        if "update_clients" in phases:
            await stage.until_signed_by(2)
        await stage.enter("rollback")
        await stage.until_signed_by(1)
        await stage.enter("standby")
        await stage.until_signed_by(1)
