"""The tokens that a step-ca takes: one-time tokens for a signature, and a leaf's own word when it
asks for its renewal after the end. Pure.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs import keys
from certs.errors import SourceDenied
from certs.sources.https_call import json_object
from certs.sources.signing_key import read_signing_key, sign_jwt
from certs.svid import Chain

_LIFE: Final = timedelta(minutes=5)
# step-ca allows a minute between the clocks.
_LEEWAY: Final = timedelta(minutes=1)
_RENEWAL_ISSUER: Final = "step-ca-client/1.0"
_SHOWN: Final = 100
_KEY: Final = "sign: the provisioner's key"


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
    key = read_signing_key(key_text, what=_KEY)
    claims = {
        "iss": provisioner,
        "aud": terms.audience,
        "sub": terms.spiffe_id,
        "sans": [terms.spiffe_id],
        "sha": terms.fingerprint,
        "jti": jti,
        **_times(now),
    }
    return key.sign(claims)


def key_id_of(key_text: str) -> str:
    """The id under which the CA knows a provisioner's key. Raises `SourceDenied`."""
    return read_signing_key(key_text, what=_KEY).key_id


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


def wrong_claim(token: str, *, audience: str, provisioners: Collection[str]) -> str:
    """Which claim of a one-time token explains that the CA refused it; "" when none is known to.

    Tokens of other issuers (OIDC) name audiences and issuers that only the CA knows.
    """
    claims = _claims(token)
    if not isinstance(claims.get("sans"), list):
        return ""
    listed = claims.get("aud")
    named = [str(item)[:_SHOWN] for item in (listed if isinstance(listed, list) else [listed])]
    if not any(_origin(item) == _origin(audience) for item in named):
        return f"sign: the token is for {', '.join(named)} (aud), the CA is asked at {audience}"
    issuer = str(claims.get("iss"))[:_SHOWN]
    if provisioners and issuer not in provisioners:
        return f"sign: the token is of {issuer!r} (iss), which is no provisioner of the CA"
    return ""


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
    return sign_jwt(claims, keys.from_pem(key_pem), {"x5cInsecure": ders})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _times(now: datetime) -> dict[str, int]:
    seconds = int(now.timestamp())
    return {"iat": seconds, "nbf": seconds, "exp": seconds + int(_LIFE.total_seconds())}


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
