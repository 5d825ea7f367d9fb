"""A slot that a recovery code opens: 160 random bits, written down by a person."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from identity.errors import UnlockRefused
from identity.secret_stores.base import Secret
from identity.secret_stores.vault.keys import derive
from identity.secret_stores.vault.recovery_code import CODE_BYTES, new_code, normal_code
from identity.secret_stores.vault.slots import Enrolment, SlotAddress


class RecoverySlot:
    """A `SlotKind`. `read` asks for the code; `show` shows a new one, once, to whom it is for."""

    name = "recovery"

    def __init__(self, read: Callable[[], Secret], *, show: Callable[[str], None]) -> None:
        self._read = read
        self._show = show

    def enrol(self, where: SlotAddress) -> Enrolment:
        """See `SlotKind.enrol`. Raises `UnlockRefused` unless the code is typed once, as proof that
        it was written down.
        """
        code = new_code(os.urandom(CODE_BYTES))
        self._show(code)
        if normal_code(self._read().reveal()) != normal_code(code):
            raise UnlockRefused(
                "that is not the recovery code", hint="no slot was made; begin again for a new code"
            )
        return Enrolment(_key(code, where), {})

    def key(self, where: SlotAddress, params: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """See `SlotKind.key`."""
        return _key(self._read().reveal(), where)

    def forget(self, where: SlotAddress) -> None:
        """Nothing is kept elsewhere."""


def _key(code: str, where: SlotAddress) -> bytes:
    # As random as a key: no work has to be added to it.
    return derive(normal_code(code).encode(), where.vault_id, b"recovery")
