"""What a running gateway says of an identity."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.doctor.identities import ask_gateway
from gateway.errors import GatewayError


class _Gateway:
    def __init__(self, found: dict[str, Any] | None = None) -> None:
        self._found = found

    async def status(self) -> dict[str, Any]:
        raise AssertionError("it was asked before")

    async def certificates(self, identity: str) -> dict[str, Any]:
        if self._found is None:
            raise GatewayError(f"there is no certificate of {identity!r} yet")
        return self._found


def _status(**more: Any) -> dict[str, Any]:
    identity = {
        "name": "default",
        "source": "issuer",
        "state": "valid",
        "reason": None,
        "last_error": None,
        "last_error_hint": None,
        "clock_skew_s": 1.5,
    }
    return {"identities": [identity | more]}


async def test_its_certificate_and_its_clock() -> None:
    told = await ask_gateway("default", _status(), _Gateway({"chain": "C", "bundle": "B"}))
    assert (told.held.chain_pem, told.held.bundle_pem) == (b"C", b"B")
    assert told.held.key_pem == b""
    assert told.skews == {"the issuer": 1.5}
    assert [item.result for item in told.findings] == ["pass"]


@pytest.mark.parametrize(
    ("state", "result"),
    [("valid", "warn"), ("degraded", "warn"), ("expired", "fail"), ("waiting", "fail")],
)
async def test_a_renewal_that_fails(state: str, result: str) -> None:
    status = _status(state=state, last_error="it is away", last_error_hint="start it")
    (found,) = (await ask_gateway("default", status, _Gateway())).findings
    assert (found.result, found.remedy) == (result, "start it")
    assert found.detail.endswith("it is away")


async def test_none_yet() -> None:
    told = await ask_gateway("default", _status(reason="no certificate yet"), _Gateway())
    assert told.held.why_not == "no certificate yet"


async def test_one_that_it_does_not_know() -> None:
    told = await ask_gateway("other", _status(), _Gateway())
    assert "devwiz-gw reload" in told.held.why_not
    assert [item.result for item in told.findings] == ["skip"]
