"""A slot that a passphrase opens."""

from __future__ import annotations

import base64
import binascii
import os
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from identity.errors import UnlockRefused
from identity.secret_stores.base import Secret
from identity.secret_stores.vault.argon2 import (
    SALT_BYTES,
    Cost,
    CostRefused,
    passphrase_key,
)
from identity.secret_stores.vault.slots import Enrolment, SlotAddress, SlotUnusable

#: Fewer characters are guessed, whatever the work of one guess.
MIN_CHARACTERS: Final = 8


class PassphraseSlot:
    """A `SlotKind`. `read` gives the passphrase when one is needed; `cost` is for new slots."""

    name = "passphrase"

    def __init__(self, read: Callable[[], Secret], *, cost: Callable[[], Cost]) -> None:
        self._read = read
        self._cost = cost

    def enrol(self, where: SlotAddress) -> Enrolment:  # noqa: ARG002 - the kind's interface
        """See `SlotKind.enrol`. Raises `UnlockRefused` for a passphrase that is too short."""
        passphrase = _normal(self._read())
        if len(passphrase) < MIN_CHARACTERS:
            raise UnlockRefused(
                f"the passphrase has fewer than {MIN_CHARACTERS} characters",
                hint="a few words that have nothing to do with each other are easily kept",
            )
        cost, salt = self._cost(), os.urandom(SALT_BYTES)
        params = {
            "memory_kib": cost.memory_kib,
            "passes": cost.passes,
            "lanes": cost.lanes,
            "salt": base64.b64encode(salt).decode(),
        }
        return Enrolment(passphrase_key(passphrase, salt, cost), params)

    def key(self, where: SlotAddress, params: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """See `SlotKind.key`. The cost is checked before it is spent."""
        try:
            cost = Cost(
                memory_kib=params["memory_kib"], passes=params["passes"], lanes=params["lanes"]
            )
            salt = base64.b64decode(params["salt"], validate=True)
            return passphrase_key(_normal(self._read()), salt, cost)
        except (KeyError, TypeError, CostRefused, binascii.Error):
            raise SlotUnusable from None

    def forget(self, where: SlotAddress) -> None:
        """Nothing is kept elsewhere."""


def _normal(passphrase: Secret) -> str:
    # RFC 8265 section 4.2: what two keyboards compose differently is the same passphrase.
    return unicodedata.normalize("NFC", passphrase.reveal())
