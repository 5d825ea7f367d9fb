"""The journal's key, and how far it has signed: kept in the project's secret store."""

from __future__ import annotations

import base64
import json
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.checkpoint import KeySigner
from gateway.audit.event import Place
from identity.secret_stores.base import OWN_PREFIX, Secret, SecretRef
from identity.strict_json import strict_value

#: Names in the store.
KEY: Final = f"{OWN_PREFIX}audit-key"
REACHED: Final = f"{OWN_PREFIX}audit-reached"


def new_key() -> Secret:
    """A fresh key as it is kept."""
    raw = Ed25519PrivateKey.generate().private_bytes_raw()
    return Secret(base64.b64encode(raw).decode())


def signer_of(kept: Secret) -> KeySigner:
    """Of a kept key. Raises `ValueError` if it is none."""
    raw = base64.b64decode(kept.reveal(), validate=True)
    return KeySigner(Ed25519PrivateKey.from_private_bytes(raw))


def place_text(place: Place) -> Secret:
    """A place as it is kept."""
    return Secret(json.dumps({"seq": place.seq, "head": place.head}))


def place_of(kept: Secret) -> Place:
    """A kept place. Raises `ValueError` if it is none."""
    try:
        value = strict_value(kept.reveal())
        return Place(int(value["seq"]), str(value["head"]))
    except (TypeError, KeyError) as error:
        raise ValueError("not a place") from error


def key_ref(project: str) -> SecretRef:
    """Where the key is."""
    return SecretRef(project, KEY)


def reached_ref(project: str) -> SecretRef:
    """Where it is kept how far was signed."""
    return SecretRef(project, REACHED)
