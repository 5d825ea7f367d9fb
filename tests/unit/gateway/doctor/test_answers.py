"""What each status says of the way to an agent."""

from __future__ import annotations

import pytest

from gateway.data_plane.failure import REASONS, Failure
from gateway.doctor.answers import judge, missed
from gateway.doctor.finding import Finding
from gateway.doctor.message import Reply


def _judged(status: int, *, attaches: bool = True, **headers: str) -> Finding:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = Reply(status=status, headers=named, body=b"")
    return judge(reply, about="planner", attaches=attaches)


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, "pass"),
        (204, "pass"),
        (307, "pass"),
        (404, "pass"),
        (405, "pass"),
        (401, "fail"),
        (403, "fail"),
        (407, "fail"),
        (421, "fail"),
        (429, "warn"),
        (500, "warn"),
        (503, "warn"),
    ],
)
def test_each_has_its_meaning(status: int, result: str) -> None:
    found = _judged(status)
    assert found.result == result
    assert str(status) in found.detail
    assert bool(found.remedy) == (result != "pass")
    assert found.reason == ("" if result == "pass" else "upstream_status")


def test_a_credential_that_nobody_attaches_is_a_matter_of_callers() -> None:
    found = _judged(401, attaches=False, www_authenticate='Bearer realm="x"')
    assert found.result == "warn"
    assert found.detail.startswith("answers 401 (Bearer): it wants a credential")


def test_a_scheme_that_is_none_is_not_shown() -> None:
    assert "evil" not in _judged(401, www_authenticate="\x1b[evil x").detail


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_its_words(reason: str) -> None:
    found = missed(Failure(reason, "so it was"), about="planner", rung="tls")
    assert (found.result, found.reason) == ("fail", reason)
    assert found.detail.endswith(": so it was")
    assert found.remedy
