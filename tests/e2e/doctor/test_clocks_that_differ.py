"""An agent whose clock is another one tells it by the Date of its answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.e2e.doctor.conftest import doctor
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, answering, response


@pytest.mark.parametrize(
    ("ahead", "result"),
    [(timedelta(), "pass"), (timedelta(minutes=-2), "warn"), (timedelta(hours=1), "fail")],
)
def test_by_how_much(
    gateway: GatewayProcess, upstream: ScriptedUpstream, ahead: timedelta, result: str
) -> None:
    def date() -> str:
        return format_datetime(datetime.now(UTC) + ahead, usegmt=True)

    upstream.script = answering(lambda _: response(b"", f"Date: {date()}"))
    found = doctor(gateway).at("clock")
    assert found["result"] == result, found
    assert "the upstream of planner" in found["detail"]
    if ahead:
        way = "behind" if ahead > timedelta() else "ahead of"
        assert f" s {way} that of the upstream of planner" in found["detail"]
