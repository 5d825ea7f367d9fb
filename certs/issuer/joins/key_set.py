"""A provider's public keys: a JWK Set (RFC 7517 §5). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from certs.issuer.joins.compact_jws import VerificationKey
from certs.issuer.strict_json import json_object

MAX_BYTES: Final = 262_144
_MAX_KEYS: Final = 100
_MAX_KEY_ID: Final = 256
_MATERIAL: Final = ("kty", "crv", "x", "y", "n", "e")


class InvalidKeySet(Exception):
    """The document is not a JWK Set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKey:
    """One public key; `algorithm` is the only one that it is for, "" where the set doesn't say."""

    key: VerificationKey
    algorithm: str = ""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys that can be used for signatures, by their ids."""

    keys: Mapping[str, ProviderKey]

    @classmethod
    def parse(cls, content: bytes) -> KeySet:
        """Read a set. What is not a public key for signatures, is of another kind, has no id, or
        shares its id is left out, as RFC 7517 §5 asks; so a set may come out empty.

        Raises:
            InvalidKeySet: too large, or not a JWK Set.
        """
        if len(content) > MAX_BYTES:
            raise InvalidKeySet(f"it is larger than {MAX_BYTES} bytes")
        entries = (json_object(content) or {}).get("keys")
        if not isinstance(entries, list):
            raise InvalidKeySet('it is not a JSON object with a list of "keys"')
        if len(entries) > _MAX_KEYS:
            raise InvalidKeySet(f"it has more than {_MAX_KEYS} keys")
        named = [(_key_id(entry), entry) for entry in entries if isinstance(entry, dict)]
        times = Counter(key_id for key_id, _ in named)
        keys: dict[str, ProviderKey] = {}
        for key_id, entry in named:
            if key_id and times[key_id] == 1 and (key := _key(entry)) is not None:
                keys[key_id] = key
        return cls(keys)

    @staticmethod
    def holds_private_keys(content: bytes) -> bool:
        """Whether somebody mistook a set of private keys for one that may be shown."""
        entries = (json_object(content) or {}).get("keys")
        found = entries if isinstance(entries, list) else []
        return any(isinstance(entry, dict) and ("d" in entry or "k" in entry) for entry in found)


def _key_id(entry: dict[str, Any]) -> str:
    key_id = entry.get("kid")
    return key_id if isinstance(key_id, str) and len(key_id) <= _MAX_KEY_ID else ""


def _key(entry: dict[str, Any]) -> ProviderKey | None:
    if entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    algorithm = entry.get("alg", "")
    # Key material alone: what else is there (x5c, x5u) is not ours to follow.
    material: dict[str, Any] = {name: entry[name] for name in _MATERIAL if name in entry}
    try:
        key = jwt.PyJWK(material).key
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        return None
    if not isinstance(key, get_args(VerificationKey)) or not isinstance(algorithm, str):
        return None
    return ProviderKey(key=key, algorithm=algorithm)
