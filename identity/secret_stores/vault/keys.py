"""The vault's keys, and the boxes that they close. Pure.

One random master key; everything else is derived from it by HKDF-SHA256 (RFC 5869), with the
vault's id as the salt, so that two vaults share no key. Each project has keys of its own: what is
encrypted for one can't be read as another's. Boxes are AES-256-GCM-SIV (RFC 8452), which keeps its
promises even if a nonce should come twice; what a box is for is bound as associated data.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

#: First in whatever is derived or authenticated: the layout's version.
FORMAT: Final = b"devwiz-gw/vault/1"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
#: What `Keys.tag` gives: long enough that no two names share one.
TAG_BYTES: Final = 16


class BoxDamaged(Exception):
    """A box was not closed with this key for this purpose, or was changed since."""


@dataclass(frozen=True, slots=True, repr=False)
class ProjectKeys:
    """What one project's rows are found and read by."""

    tag: bytes
    index: bytes
    names: bytes
    values: bytes

    def name_tag(self, name: str) -> bytes:
        """How the row of `name` is found; tells nothing to those who lack the key."""
        return _tag(self.index, name.encode())


class Keys:
    """All keys of the vault `vault_id`, derived from `master` when asked for."""

    __slots__ = ("_master", "vault_id")

    def __init__(self, master: bytes, vault_id: bytes) -> None:
        if len(master) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self._master = master
        self.vault_id = vault_id

    def __repr__(self) -> str:
        return "Keys(…)"

    def project(self, project: str) -> ProjectKeys:
        """The keys of one project."""
        name = project.encode()
        material = derive(self._master, self.vault_id, b"project", name, size=3 * KEY_BYTES)
        parts = (material[start : start + KEY_BYTES] for start in range(0, 96, KEY_BYTES))
        tag = _tag(derive(self._master, self.vault_id, b"projects"), name)
        return ProjectKeys(tag, *parts)

    def mac(self, purpose: bytes, *parts: bytes) -> bytes:
        """A tag over `parts` that only a holder of the master key can make."""
        key = derive(self._master, self.vault_id, b"mac", purpose)
        return hmac.digest(key, fields(*parts), hashlib.sha256)


def derive(key: bytes, salt: bytes, *purpose: bytes, size: int = KEY_BYTES) -> bytes:
    """HKDF-SHA256 of a key that is already random."""
    kdf = HKDF(algorithm=SHA256(), length=size, salt=salt, info=fields(FORMAT, *purpose))
    return kdf.derive(key)


def close_box(key: bytes, content: bytes, purpose: bytes, *, nonce: bytes) -> bytes:
    """Encrypt `content`; it can be opened for the same `purpose` only."""
    return nonce + AESGCMSIV(key).encrypt(nonce, content, purpose)


def open_box(key: bytes, box: bytes, purpose: bytes) -> bytes:
    """The content of a box. Raises `BoxDamaged`."""
    try:
        return AESGCMSIV(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], purpose)
    except (InvalidTag, ValueError):
        raise BoxDamaged from None


def fields(*parts: bytes) -> bytes:
    """`parts` in one text from which no other parts can be read: each after its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def number(value: int) -> bytes:
    """A count that is not negative, as a part for `fields`."""
    return value.to_bytes(8, "big")


def _tag(key: bytes, name: bytes) -> bytes:
    return hmac.digest(key, name, hashlib.sha256)[:TAG_BYTES]
