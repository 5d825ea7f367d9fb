"""`identity.secret_stores.vault.recovery_slot`."""

from __future__ import annotations

import re

import pytest

from identity.errors import UnlockRefused
from identity.secret_stores.base import Secret
from identity.secret_stores.vault.recovery_code import new_code
from identity.secret_stores.vault.recovery_slot import RecoverySlot
from identity.secret_stores.vault.slots import SlotAddress

WHERE = SlotAddress(b"vault-one", 1)


class Paper:
    """Somebody who writes a code down and types it."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def typed(self) -> Secret:
        return Secret(self.codes[-1].lower().replace("-", " "))


def test_the_code_opens_however_it_is_typed() -> None:
    paper = Paper()
    made = RecoverySlot(paper.typed, show=paper.codes.append).enrol(WHERE)
    (code,) = paper.codes
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){7}[0-9A-HJKMNP-TV-Z]{4}", code)
    for typed in (code, code.lower(), code.replace("-", ""), code.replace("0", "o"), f" {code}\n"):
        slot = RecoverySlot(lambda typed=typed: Secret(typed), show=print)  # type: ignore[misc]
        assert slot.key(WHERE, made.params) == made.key
    wrong = RecoverySlot(lambda: Secret(new_code(bytes(20))), show=print)
    assert wrong.key(WHERE, made.params) != made.key


def test_a_code_that_was_not_written_down_makes_no_slot() -> None:
    slot = RecoverySlot(lambda: Secret("something"), show=lambda code: None)
    with pytest.raises(UnlockRefused, match="not the recovery code"):
        slot.enrol(WHERE)
