"""A slot that a security key opens, by the secret of its credential (PRF, hmac-secret)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from identity.mfa.assertion import ProofRefused, decoded, encoded
from identity.mfa.ceremony import Candidate, Ceremony, Touch
from identity.secret_stores.vault.contents import SlotRow
from identity.secret_stores.vault.keys import derive, number
from identity.secret_stores.vault.slots import Enrolment, SlotAddress, SlotUnusable, params_of

_SALT_BYTES: Final = 32
_CHALLENGE_BYTES: Final = 32


class Fido2Slot:
    """A `SlotKind`. `rows` are the vault's slots that may be opened: one touch, by whichever of
    their keys is at hand, opens that key's slot.
    """

    name = "fido2"

    def __init__(
        self,
        ceremony: Callable[[], Ceremony],
        *,
        rows: Sequence[SlotRow] = (),
        verified: bool | None = None,
    ) -> None:
        """`ceremony` is begun when a touch is needed. `verified` is the mode that a new slot is
        pinned to; see `Ceremony.enrol`.
        """
        self._ceremony = ceremony
        self._rows = rows
        self._verified = verified
        self._touch: Touch | None = None

    def enrol(self, where: SlotAddress) -> Enrolment:
        """See `SlotKind.enrol`. The key is touched twice: for the credential, and for its secret,
        by which it is also seen to work.
        """
        known = [one.credential for one in self._candidates()]
        asking = self._ceremony()
        made = asking.enrol(name="vault", verified=self._verified, known=known)
        salt = os.urandom(_SALT_BYTES)
        asked = Candidate(made.credential, made.public_key, made.verified, salt)
        touch = asking.touch(os.urandom(_CHALLENGE_BYTES), [asked])
        params = {
            "credential": encoded(made.credential),
            "public_key": encoded(made.public_key),
            "verified": made.verified,
            "salt": encoded(salt),
            "aaguid": made.aaguid,
        }
        return Enrolment(_key(touch, where), params)

    def key(self, where: SlotAddress, params: Mapping[str, Any]) -> bytes:
        """See `SlotKind.key`."""
        asked = _candidate(params)
        if self._touch is None:
            candidates = self._candidates() or [asked]
            self._touch = self._ceremony().touch(os.urandom(_CHALLENGE_BYTES), candidates)
        if self._touch.credential != asked.credential:
            raise SlotUnusable
        return _key(self._touch, where)

    def forget(self, where: SlotAddress) -> None:
        """The credential stays on the key, where it takes no room, and opens nothing any more."""

    def _candidates(self) -> list[Candidate]:
        found = []
        for row in self._rows:
            if row.kind == self.name:
                try:
                    found.append(_candidate(params_of(row)))
                except SlotUnusable:
                    continue
        return found


def _candidate(params: Mapping[str, Any]) -> Candidate:
    verified = params.get("verified")
    if type(verified) is not bool:
        raise SlotUnusable
    try:
        names = ("credential", "public_key", "salt")
        credential, public_key, salt = (decoded(params.get(name)) for name in names)
    except ProofRefused:
        raise SlotUnusable from None
    return Candidate(credential, public_key, verified, salt)


def _key(touch: Touch, where: SlotAddress) -> bytes:
    return derive(touch.secret, where.vault_id, b"fido2", number(where.slot))
