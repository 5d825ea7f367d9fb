"""Signed checkpoints: whoever holds the journal's key vouches for all lines up to here.

The chain alone shows that lines fit each other; whoever can write the file can make another one
that does. A checkpoint is a line of its own whose signature (Ed25519) is over project, number and
hash of the line before it, and the time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.audit.event import CHECKPOINT, Event, Place, number_of

_CONTEXT: Final = "devwiz-gw audit checkpoint v1"


class Signer(Protocol):
    """What checkpoints are signed with."""

    @property
    def public_key(self) -> str:
        """The key that signatures are checked by: base64 of its 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature (RFC 8032)."""
        ...


class KeySigner:
    """Signs with a key in memory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = base64.b64encode(key.public_key().public_bytes_raw()).decode()

    def sign(self, message: bytes) -> bytes:
        """See `Signer`."""
        return self._key.sign(message)


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint whose signature is good."""

    place: Place
    key: str


def checkpoint(signer: Signer, *, project: str, place: Place, signed_at: str) -> Event:
    """The event that vouches for the chain up to `place`."""
    signature = signer.sign(_message(project, place, signed_at))
    more = {
        "checkpoint": {
            "size": place.seq,
            "head": place.head,
            "at": signed_at,
            "key": signer.public_key,
            "signature": base64.b64encode(signature).decode(),
        }
    }
    return Event(action=CHECKPOINT, outcome="ok", more=more)


def verified(line: Mapping[str, Any], *, before: Place) -> Signed | str:
    """What a checkpoint's line vouches for, or what is wrong with it."""
    fields = line.get("checkpoint")
    if not isinstance(fields, Mapping):
        return "a checkpoint without its fields"
    place = Place(number_of(fields.get("size")), str(fields.get("head", "")))
    if place != before:
        return "a checkpoint of another place in the chain"
    key = str(fields.get("key", ""))
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        signature = base64.b64decode(str(fields.get("signature", "")), validate=True)
        message = _message(str(line.get("project", "")), place, str(fields.get("at", "")))
        public.verify(signature, message)
    except (InvalidSignature, ValueError, binascii.Error):
        return "a checkpoint whose signature is not good"
    return Signed(place, key)


def fingerprint(key: str) -> str:
    """A public key for people to compare."""
    return "SHA256:" + hashlib.sha256(key.encode()).hexdigest()[:32]


def _message(project: str, place: Place, signed_at: str) -> bytes:
    return "\n".join([_CONTEXT, project, str(place.seq), place.head, signed_at, ""]).encode()
