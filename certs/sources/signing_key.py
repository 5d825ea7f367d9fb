"""A key that signs JWTs for us: as people keep it, and as others know it. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certs import keys
from certs.errors import InvalidCertificate, SourceDenied
from certs.keys import PrivateKey
from certs.sources.https_call import json_object

_THUMBPRINT_MEMBERS: Final = frozenset({"crv", "e", "kty", "n", "x", "y"})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SigningKey:
    """`key_id` is the `kid` by which the other side looks its public half up."""

    key: PrivateKey
    key_id: str

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT with these claims."""
        return sign_jwt(claims, self.key, {"kid": self.key_id})


def read_signing_key(text: str, *, what: str) -> SigningKey:
    """Read a private key, PEM or JWK; its id is the JWK's, else the key's thumbprint.

    Raises:
        SourceDenied: it can't be used; the message begins with `what`.
    """
    text = text.strip()
    if text.startswith("-----BEGIN"):
        try:
            key = keys.from_pem(text.encode())
        except InvalidCertificate as error:
            raise SourceDenied(f"{what}: {error}", hint=error.hint) from None
        return SigningKey(key=key, key_id=_thumbprint(key))
    members = json_object(text.encode()) or {}
    if "ciphertext" in members:
        raise SourceDenied(
            f"{what} is encrypted",
            hint="decrypt it: step crypto jwe decrypt < FILE | devwiz-gw secret set NAME",
        )
    try:
        loaded = jwt.PyJWK(members).key
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        # The library's text is not passed on: nothing of a key may reach a message.
        loaded = None
    if not isinstance(loaded, PrivateKey):
        raise SourceDenied(
            f"{what} is not readable",
            hint="expected a PEM private key, or a JWK with its private part",
        )
    key_id = members.get("kid")
    return SigningKey(
        key=loaded,
        key_id=key_id if isinstance(key_id, str) and key_id else _thumbprint(loaded),
    )


def sign_jwt(claims: Mapping[str, Any], key: PrivateKey, headers: dict[str, Any]) -> str:
    """A JWT, by the algorithm that fits the key."""
    match key:
        case rsa.RSAPrivateKey():
            algorithm = "RS256"
        case ed25519.Ed25519PrivateKey():
            algorithm = "EdDSA"
        case _:
            algorithm = {256: "ES256", 384: "ES384"}.get(key.key_size, "ES512")
    return jwt.encode(dict(claims), key, algorithm=algorithm, headers=headers)


def _thumbprint(key: PrivateKey) -> str:
    """RFC 7638."""
    match key:
        case rsa.RSAPrivateKey():
            document = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case ec.EllipticCurvePrivateKey():
            document = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case _:
            document = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    needed = {name: document[name] for name in sorted(_THUMBPRINT_MEMBERS & document.keys())}
    text = json.dumps(needed, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
