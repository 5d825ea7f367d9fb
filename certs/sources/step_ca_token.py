"""The tokens that a step-ca takes: one-time tokens for a signature, and a leaf's own word when it
asks for its renewal after the end. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certs import keys
from certs.errors import InvalidCertificate, SourceDenied
from certs.keys import PrivateKey
from certs.sources.https_call import json_object
from certs.svid import Chain

_LIFE: Final = timedelta(minutes=5)
# step-ca allows a minute between the clocks.
_LEEWAY: Final = timedelta(minutes=1)
_RENEWAL_ISSUER: Final = "step-ca-client/1.0"
_THUMBPRINT_MEMBERS: Final = frozenset({"crv", "e", "kty", "n", "x", "y"})
_KEY_FORMS: Final = "expected a PEM private key, or a JWK with its private part"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTerms:
    """What a one-time token has to say: for which CA, which of its addresses, and which name."""

    audience: str
    fingerprint: str
    spiffe_id: str


def mint(key_text: str, *, provisioner: str, terms: TokenTerms, now: datetime, jti: str) -> str:
    """A one-time token, signed with the key of a JWK provisioner (PEM, or a JWK).

    Raises:
        SourceDenied: the key can't be used.
    """
    key, key_id = _provisioner_key(key_text)
    claims = {
        "iss": provisioner,
        "aud": terms.audience,
        "sub": terms.spiffe_id,
        "sans": [terms.spiffe_id],
        "sha": terms.fingerprint,
        "jti": jti,
        **_times(now),
    }
    return _signed(claims, key, {"kid": key_id})


def key_id_of(key_text: str) -> str:
    """The id under which the CA knows a provisioner's key. Raises `SourceDenied`."""
    return _provisioner_key(key_text)[1]


def check_ready(token: str, *, terms: TokenTerms, now: datetime) -> None:
    """Hold a ready token against what can be known of it without its key, so that a mistake is
    told by name: a step-ca says no more than that it refuses.

    Raises:
        SourceDenied: it can't succeed; names the claim.
    """
    claims = _claims(token)
    again = "make a new one: step ca token NAME --san SPIFFE-ID"
    expiry = _seconds(claims.get("exp"))
    if expiry is not None and expiry < (now - _LEEWAY).timestamp():
        raise SourceDenied("sign: the token has expired (exp)", hint=again)
    start = _seconds(claims.get("nbf"))
    if start is not None and start > (now + _LEEWAY).timestamp():
        raise SourceDenied(
            "sign: the token is not valid yet (nbf)", hint="is this machine's clock slow?"
        )
    if claims.get("sha", terms.fingerprint) != terms.fingerprint:
        raise SourceDenied("sign: the token is for a CA with another root (sha)", hint=again)
    # Only step-ca's own tokens list names; those of other issuers leave them to a template.
    names = claims.get("sans")
    if isinstance(names, list) and names != [terms.spiffe_id]:
        raise SourceDenied(
            f"sign: the token is not for {terms.spiffe_id} alone (sans)",
            hint=f"make one with --san {terms.spiffe_id}, or correct identity.spiffe_id",
        )


def renewal(*, key_pem: bytes, chain_pem: bytes, audience: str, now: datetime, jti: str) -> str:
    """The token by which an expired leaf asks for its renewal: signed with the leaf's key, the
    chain in the header (`step ca renew` makes the same).

    Raises:
        InvalidCertificate: key or chain can't be used.
    """
    chain = Chain.from_pem(chain_pem)
    claims = {
        "iss": _RENEWAL_ISSUER,
        "aud": audience,
        "sub": _common_name(chain.leaf),
        "jti": jti,
        **_times(now),
    }
    ders = [
        base64.b64encode(item.public_bytes(serialization.Encoding.DER)).decode()
        for item in (chain.leaf, *chain.intermediates)
    ]
    return _signed(claims, keys.from_pem(key_pem), {"x5cInsecure": ders})


def _times(now: datetime) -> dict[str, int]:
    seconds = int(now.timestamp())
    return {"iat": seconds, "nbf": seconds, "exp": seconds + int(_LIFE.total_seconds())}


def _signed(claims: Mapping[str, Any], key: PrivateKey, headers: dict[str, Any]) -> str:
    match key:
        case rsa.RSAPrivateKey():
            algorithm = "RS256"
        case ed25519.Ed25519PrivateKey():
            algorithm = "EdDSA"
        case _:
            algorithm = {256: "ES256", 384: "ES384"}.get(key.key_size, "ES512")
    return jwt.encode(dict(claims), key, algorithm=algorithm, headers=headers)


def _provisioner_key(text: str) -> tuple[PrivateKey, str]:
    text = text.strip()
    if text.startswith("-----BEGIN"):
        try:
            key = keys.from_pem(text.encode())
        except InvalidCertificate as error:
            raise SourceDenied(f"sign: the provisioner's key: {error}", hint=error.hint) from None
        return key, _thumbprint(key)
    members = json_object(text.encode()) or {}
    if "ciphertext" in members:
        raise SourceDenied(
            "sign: the provisioner's key is encrypted",
            hint="decrypt it: step crypto jwe decrypt < FILE | devwiz-gw secret set NAME",
        )
    try:
        loaded = jwt.PyJWK(members).key
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        # The library's text is not passed on: nothing of a key may reach a message.
        loaded = None
    if not isinstance(loaded, PrivateKey):
        raise SourceDenied("sign: the provisioner's key is not readable", hint=_KEY_FORMS)
    key_id = members.get("kid")
    return loaded, key_id if isinstance(key_id, str) and key_id else _thumbprint(loaded)


def _thumbprint(key: PrivateKey) -> str:
    """RFC 7638, as `step` names keys."""
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


def _claims(token: str) -> dict[str, Any]:
    try:
        payload = jwt.api_jws.decode_complete(token, options={"verify_signature": False})["payload"]
    except (jwt.PyJWTError, ValueError):
        payload = b""
    claims = json_object(payload)
    if claims is None:
        raise SourceDenied(
            "sign: the token is not a JWT", hint="expected the output of: step ca token"
        )
    return claims


def _seconds(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and isinstance(value, int | float) else None


def _common_name(leaf: x509.Certificate) -> str:
    found = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""
