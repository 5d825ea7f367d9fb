"""Lines that the journal's key signed as a whole: what they tell, and where they stand.

A removal of old lines, or a person's word on a finding, is believed only if the key's holder wrote
it, at that place of the chain. A later checkpoint over such a line says nothing of it: checkpoints
are signed over whatever is there.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.checkpoint import Signed, Signer
from gateway.audit.event import ACKNOWLEDGED, PRUNED, Event, Place, number_of

_CONTEXT: Final = "devwiz-gw audit line v1"
#: The field with the signature of such a line.
SIGNATURE: Final = "vouched"


@dataclass(frozen=True, slots=True)
class Removal:
    """A full file that is removed: its name, the last line of it, and how many files are kept."""

    file: str
    through: Place
    keep_files: int

    def fields(self) -> dict[str, Any]:
        """As they stand in a line."""
        return {
            "file": self.file,
            "through": self.through.seq,
            "head": self.through.head,
            "keep_files": self.keep_files,
        }


def pruned(
    removal: Removal, signer: Signer | None, *, project: str, place: Place, at: str
) -> Event:
    """The event that tells of a removal, as the line after `place`; without a signer unsigned."""
    told: dict[str, Any] = {"pruned": removal.fields()}
    if signer is not None:
        told |= _vouched(signer, PRUNED, told["pruned"], project=project, place=place, at=at)
    return Event(action=PRUNED, outcome="ok", name=removal.file, more=told)


def acknowledged(
    told: Mapping[str, Any], signer: Signer, *, project: str, place: Place, at: str
) -> Event:
    """The event by which a person says that a finding is known, as the line after `place`. What is
    `told` of the finding has the `reason` as well, and `by` whom: all of it is signed.
    """
    more: dict[str, Any] = {"acknowledged": told}
    more |= _vouched(signer, ACKNOWLEDGED, told, project=project, place=place, at=at)
    name = f"{told['file']}:{told['line']}" if told["file"] else "the end"
    return Event(action=ACKNOWLEDGED, outcome="ok", name=name, reason=told["reason"], more=more)


def vouched(line: Mapping[str, Any], told: object, *, before: Place) -> Signed | str:
    """What the signature of a line that tells this vouches for, or what is wrong with it."""
    fields = line.get(SIGNATURE)
    if not isinstance(fields, Mapping):
        return "no key vouches for it"
    place = Place(number_of(fields.get("size")), str(fields.get("head", "")))
    if place != before:
        return "it was signed at another place in the chain"
    key, at = str(fields.get("key", "")), str(fields.get("at", ""))
    try:
        message = _message(str(line.get("action")), told, str(line.get("project", "")), place, at)
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        public.verify(base64.b64decode(str(fields.get("signature", "")), validate=True), message)
    except (InvalidSignature, ValueError, RecursionError, binascii.Error):
        return "its signature is not good"
    return Signed(place, key)


def _vouched(
    signer: Signer, action: str, told: object, *, project: str, place: Place, at: str
) -> dict[str, Any]:
    signature = signer.sign(_message(action, told, project, place, at))
    return {
        SIGNATURE: {
            "size": place.seq,
            "head": place.head,
            "at": at,
            "key": signer.public_key,
            "signature": base64.b64encode(signature).decode(),
        }
    }


def _message(action: str, told: object, project: str, place: Place, at: str) -> bytes:
    """JSON with sorted keys, no blanks and ASCII only."""
    parts = [_CONTEXT, project, action, place.seq, place.head, at, told]
    return json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
