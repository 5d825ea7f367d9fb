"""The issuer's authority is replaced while two gateways carry requests and streams between them,
each checking the other by the bundle that it follows: no request fails, in any phase.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.ca_rotation_stage import rotation_stage


@pytest.mark.timeout(180)
async def test_no_request_fails_in_any_phase(tmp_path: Path) -> None:
    async with rotation_stage(tmp_path) as stage:
        await stage.enter("init")
        await stage.until_signed_by(1)
        await stage.enter("update_clients")
        await stage.until_signed_by(2)
        await stage.enter("update_servers")
        await stage.enter("standby")
        await stage.until_signed_by(2)
        document = await stage.rotate()
        assert [item["number"] for item in document["authorities"]] == [1, 2]
        assert document["instances"] == {"live": 2, "renewed": 2}
