"""Identities for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.cli.identity_view import all_lines, life_used, troubles

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def identity(**changes: Any) -> dict[str, Any]:
    plain = {
        "name": "default",
        "spiffe_id": "spiffe://acme.example/a",
        "source": "issuer",
        "state": "valid",
        "serial": "0a",
        "generation": 3,
        "issuer": "CN=issuing",
        "issuer_chain": ["CN=issuing", "CN=root"],
        "not_before": "2026-03-01T11:00:00Z",
        "not_after": "2026-03-01T15:00:00Z",
        "next_renewal": "2026-03-01T13:00:00Z",
        "renewal_possible_from": "2026-03-01T12:05:00Z",
    }
    return plain | changes


def test_one_identity_is_a_block() -> None:
    text = "\n".join(all_lines([identity()], now=NOW))
    assert "life used     25%" in text
    assert "issuer chain  CN=issuing < CN=root" in text
    assert "valid         2026-03-01T11:00:00Z to 2026-03-01T15:00:00Z" in text
    assert "renewable     in 5m 00s" in text
    assert "!" not in text


def test_several_are_a_table_with_their_troubles_below() -> None:
    late = identity(
        name="late", not_before="2026-03-01T11:00:00Z", not_after="2026-03-01T12:10:00Z"
    )
    failing = identity(
        name="failing", last_error="no route", reason="it failed: no route", last_error_hint="dial"
    )
    missing = identity(name="missing", generation=0, not_before=None, not_after=None, serial=None)
    lines = all_lines([identity(), late, failing, missing], now=NOW)
    assert lines[0].split()[:2] == ["IDENTITY", "SPIFFE"]
    assert lines[1].split() == [
        "default", "spiffe://acme.example/a", "issuer", "0a", "3h", "00m", "25%", "1h", "00m",
        "valid",
    ]  # fmt: skip
    assert lines[5:] == [
        "! late: late for a renewal: is the issuer away, or this machine's clock wrong?",
        "! failing: it failed: no route",
        "! failing: hint: dial",
        "! missing: no certificate yet",
    ]


def test_an_end_is_told() -> None:
    assert troubles(identity(not_after="2026-03-01T11:59:00Z"), now=NOW) == ["expired 1m 00s ago"]
    assert "expired 1m 00s ago" in "\n".join(
        all_lines([identity(not_after="2026-03-01T11:59:00Z")], now=NOW)
    )


def test_life_used_stays_within_bounds() -> None:
    assert life_used(identity(), NOW) == 0.25
    assert life_used(identity(not_after="2026-03-01T11:30:00Z"), NOW) == 1.0
    assert life_used(identity(not_before="2026-03-01T13:00:00Z"), NOW) == 0.0
    assert life_used(identity(not_after=None), NOW) is None
