"""The security keys of a project, and the lock that each of them can open. Pure.

A project has one key pair (X25519). What its public half seals can be written by anybody, and read
by the private half only. That half lies in boxes: one for each security key, closed with a key from
its PRF (hmac-secret) output, and one for the recovery code. So without a touch, or the code, there
is no private half anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from identity.mfa.assertion import ProofRefused, decoded, encoded
from identity.secret_stores.base import OWN_PREFIX, SecretRef
from identity.secret_stores.vault.keys import (
    FORMAT,
    BoxDamaged,
    close_box,
    derive,
    fields,
    number,
    open_box,
)
from identity.secret_stores.vault.recovery_code import normal_code
from identity.strict_json import strict_value

#: Where they are kept, in the project's store.
KEYS: Final = f"{OWN_PREFIX}mfa"
SALT_BYTES: Final = 32
MAX_KEYS: Final = 16
MAX_LABEL: Final = 64
#: A policy takes effect with this many keys, or with a recovery code.
ENOUGH_KEYS: Final = 2
_FORM: Final = 1
_RECOVERY: Final = 0
_MAX_NUMBER: Final = 2**32 - 1


class KeysDamaged(Exception):
    """What is kept of a project's security keys is not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySlot:
    """One enrolled security key.

    Attributes:
        number: how people name it.
        credential: its credential's id.
        public_key: SubjectPublicKeyInfo, DER.
        verified: whether the person is always verified, or never: the mode is pinned, because the
            key's secret is another one in the other mode.
        salt: what its secret is asked with.
        box: the project's private key, closed with that secret.
        aaguid: the model, as the key says.
        made: seconds since 1970.
    """

    number: int
    label: str
    credential: bytes
    public_key: bytes
    verified: bool
    salt: bytes
    box: bytes
    aaguid: str = ""
    made: int = 0

    @property
    def mode(self) -> str:
        """WebAuthn's word for the pinned mode of user verification."""
        return "required" if self.verified else "discouraged"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledKeys:
    """All that a project knows of its security keys. `recovery` is b"" without a code."""

    public: bytes
    slots: tuple[KeySlot, ...] = ()
    recovery: bytes = b""

    @property
    def is_enough(self) -> bool:
        """Whether losing one key loses nothing: only then is a touch demanded."""
        return len(self.slots) >= ENOUGH_KEYS or bool(self.slots and self.recovery)

    @property
    def next_number(self) -> int:
        """A number for another key."""
        return max((slot.number for slot in self.slots), default=0) + 1

    def slot_of(self, credential: bytes) -> KeySlot:
        """The slot of a credential. Raises `ProofRefused` where there is none."""
        for slot in self.slots:
            if slot.credential == credential:
                return slot
        raise ProofRefused("the key is not enrolled")

    def with_slot(self, slot: KeySlot) -> EnrolledKeys:
        """With one more."""
        return replace(self, slots=(*self.slots, slot))

    def with_recovery(self, box: bytes) -> EnrolledKeys:
        """With this box for the recovery code."""
        return replace(self, recovery=box)

    def without(self, number: int) -> EnrolledKeys:
        """Without the one of this number."""
        return replace(self, slots=tuple(s for s in self.slots if s.number != number))


class Lock:
    """A project's private key, open in memory. It closes boxes of itself, and opens what was
    sealed for it (`identity.mfa.sealed`).
    """

    __slots__ = ("_project", "private")

    def __init__(self, private: bytes, project: str) -> None:
        self.private = private
        self._project = project

    def __repr__(self) -> str:
        return "Lock(…)"

    @property
    def public(self) -> bytes:
        """The public half."""
        key = X25519PrivateKey.from_private_bytes(self.private)
        return key.public_key().public_bytes_raw()

    def box_for_key(self, secret: bytes, slot: int, *, nonce: bytes) -> bytes:
        """The private key, for a security key whose PRF gave `secret`."""
        return self._box(_kek(secret, self._project, slot), slot, nonce)

    def box_for_code(self, code: str, *, nonce: bytes) -> bytes:
        """The private key, for whoever has the recovery code."""
        return self._box(_code_kek(code, self._project), _RECOVERY, nonce)

    def _box(self, key: bytes, slot: int, nonce: bytes) -> bytes:
        purpose = _purpose(self._project, slot, self.public)
        return close_box(key, self.private, purpose, nonce=nonce)


def open_by_key(keys: EnrolledKeys, project: str, slot: KeySlot, secret: bytes) -> Lock:
    """The lock, by the PRF output of a slot's key. Raises `KeysDamaged`."""
    return _opened(keys, project, slot.number, slot.box, _kek(secret, project, slot.number))


def open_by_code(keys: EnrolledKeys, project: str, code: str) -> Lock:
    """The lock, by a recovery code. Raises `KeysDamaged` for a wrong one."""
    return _opened(keys, project, _RECOVERY, keys.recovery, _code_kek(code, project))


def encode(keys: EnrolledKeys) -> str:
    """As kept in the store."""
    slots = [
        {
            "number": slot.number,
            "label": slot.label,
            "credential": encoded(slot.credential),
            "public_key": encoded(slot.public_key),
            "verified": slot.verified,
            "salt": encoded(slot.salt),
            "box": encoded(slot.box),
            "aaguid": slot.aaguid,
            "made": slot.made,
        }
        for slot in keys.slots
    ]
    kept = {"form": _FORM, "public": encoded(keys.public), "slots": slots}
    return json.dumps({**kept, "recovery": encoded(keys.recovery)}, separators=(",", ":"))


def decode(text: str) -> EnrolledKeys:
    """What `encode` wrote. Raises `KeysDamaged`."""
    try:
        raw = strict_value(text)
        if raw["form"] != _FORM:
            raise KeysDamaged("they were written by a newer version")
        return EnrolledKeys(
            public=decoded(raw["public"]),
            slots=tuple(_slot(item) for item in raw["slots"][:MAX_KEYS]),
            recovery=decoded(raw["recovery"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, ProofRefused):
        raise KeysDamaged("they can't be read") from None


def keys_ref(project: str) -> SecretRef:
    """Where a project's keys are kept."""
    return SecretRef(project, KEYS)


def _slot(raw: Mapping[str, Any]) -> KeySlot:
    def take(name: str) -> bytes:
        return decoded(raw[name])

    numbers = (raw["number"], raw["made"])
    if type(raw["verified"]) is not bool or not all(type(item) is int for item in numbers):
        raise ValueError
    if not 0 < raw["number"] <= _MAX_NUMBER:
        raise ValueError
    return KeySlot(
        number=raw["number"],
        label=str(raw["label"]),
        credential=take("credential"),
        public_key=take("public_key"),
        verified=raw["verified"],
        salt=take("salt"),
        box=take("box"),
        aaguid=str(raw["aaguid"]),
        made=raw["made"],
    )


def _opened(keys: EnrolledKeys, project: str, slot: int, box: bytes, key: bytes) -> Lock:
    try:
        private = open_box(key, box, _purpose(project, slot, keys.public))
    except BoxDamaged:
        raise KeysDamaged("it doesn't open with that") from None
    return Lock(private, project)


def _kek(secret: bytes, project: str, slot: int) -> bytes:
    return derive(secret, project.encode(), b"touch", number(slot))


def _code_kek(code: str, project: str) -> bytes:
    # As random as a key: no work has to be added to it.
    return derive(normal_code(code).encode(), project.encode(), b"touch recovery")


def _purpose(project: str, slot: int, public: bytes) -> bytes:
    return fields(FORMAT, b"touch lock", project.encode(), number(slot), public)
