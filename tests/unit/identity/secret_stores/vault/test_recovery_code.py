"""`identity.secret_stores.vault.recovery_code`."""

from __future__ import annotations

from identity.secret_stores.vault.recovery_code import new_code, normal_code


def test_codes_hold_every_bit() -> None:
    assert new_code(bytes(20)) == "-".join(["0000"] * 8)
    assert new_code(b"\xff" * 20) == "-".join(["ZZZZ"] * 8)
    codes = {new_code((1 << bit).to_bytes(20, "big")) for bit in range(160)}
    assert len(codes) == 160


def test_lookalikes_are_the_same() -> None:
    assert normal_code("oO0-iIlL1") == "000" + "11111"
