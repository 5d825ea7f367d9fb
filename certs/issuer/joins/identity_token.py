"""Identity tokens (JWT, RFC 7519; OpenID Connect Core §2) held against a rule's terms. Pure.

The order is that of RFC 8725: algorithm and key are fixed before the signature is checked, and no
claim is looked at before it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from certs.issuer.joins.compact_jws import CompactJws, InvalidJws
from certs.issuer.joins.key_set import KeySet
from certs.issuer.joins.rules import TokenTerms
from certs.issuer.refusal import Code, Refused

#: How far the clocks of provider and issuer may be apart.
LEEWAY: Final = timedelta(minutes=1)
#: Older tokens are refused whatever their `exp` says: one that was meant for a join is fresh.
MAX_AGE: Final = timedelta(hours=24)

_EVIDENCE: Final = ("iss", "sub", "jti")
_MAX_EVIDENCE: Final = 256


def parse(text: str) -> CompactJws:
    """Read a token without believing it; `key_id` says which key to look for.

    Raises:
        Refused: `id_token_malformed`.
    """
    try:
        token = CompactJws.parse(text)
    except InvalidJws as error:
        raise _malformed(error) from None
    if not token.key_id:
        raise Refused(Code.ID_TOKEN_MALFORMED, "the identity token names no key (kid)")
    return token


def check(token: CompactJws, terms: TokenTerms, keys: KeySet, now: datetime) -> dict[str, Any]:
    """The claims of a token that is good by these terms.

    Raises:
        Refused: `id_token_…`, naming the claim or the part that stands against it.
    """
    _check_signature(token, terms, keys)
    try:
        claims = token.claims()
    except InvalidJws as error:
        raise _malformed(error) from None
    if claims.get("iss") != terms.provider.issuer:
        raise Refused(
            Code.ID_TOKEN_ISSUER,
            "the identity token is of another provider (iss)",
            hint="compare the token's iss with the rule's, letter by letter",
        )
    if not set(_audiences(claims)).intersection(terms.audiences):
        raise Refused(
            Code.ID_TOKEN_AUDIENCE,
            "the identity token is for another audience (aud)",
            hint="ask the provider for a token with the rule's audience",
        )
    _check_times(claims, now)
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise Refused(Code.ID_TOKEN_MALFORMED, "the identity token names nobody (sub)")
    if not any(all(rule.is_met_by(claims) for rule in rules) for rules in terms.alternatives):
        raise Refused(
            Code.ID_TOKEN_CLAIMS,
            "the identity token's claims don't meet the rule",
            hint="the issuer's audit file has the token's subject; 'devwiz-gw issuer rules' "
            "shows what the rule asks for",
        )
    return claims


def evidence(claims: Mapping[str, Any]) -> dict[str, str]:
    """What is written down of a token: who it was for, by whose word; nothing that can be used."""
    return {
        name: claims[name][:_MAX_EVIDENCE]
        for name in _EVIDENCE
        if isinstance(claims.get(name), str)
    }


def _check_signature(token: CompactJws, terms: TokenTerms, keys: KeySet) -> None:
    if token.algorithm not in terms.algorithms:
        raise Refused(
            Code.ID_TOKEN_ALGORITHM,
            "the identity token is signed by an algorithm that the rule doesn't take (alg)",
            hint=f"it takes {', '.join(terms.algorithms)}",
        )
    found = keys.keys.get(token.key_id)
    if found is None:
        raise Refused(
            Code.ID_TOKEN_KEY_UNKNOWN,
            "the identity token is signed by a key that the provider doesn't publish (kid)",
            hint="is the token of this provider? an uploaded key set must be uploaded again "
            "after a key rotation",
        )
    if found.algorithm not in ("", token.algorithm) or not token.is_signed_by(found.key):
        raise Refused(
            Code.ID_TOKEN_SIGNATURE, "the identity token's signature is not the provider's"
        )


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    end, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    start = _seconds(claims, "nbf") if "nbf" in claims else issued
    time, leeway = now.timestamp(), LEEWAY.total_seconds()
    if time >= end + leeway:
        raise Refused(
            Code.ID_TOKEN_EXPIRED,
            "the identity token has expired (exp)",
            hint="get a new one; check both clocks",
        )
    if time - issued > MAX_AGE.total_seconds() + leeway:
        raise Refused(
            Code.ID_TOKEN_EXPIRED,
            "the identity token was made more than 24 hours ago (iat)",
            hint="get a new one",
        )
    if max(start, issued) > time + leeway:
        raise Refused(
            Code.ID_TOKEN_NOT_YET_VALID,
            "the identity token is not valid yet (nbf or iat)",
            hint="check the clocks of the provider and of the issuer",
        )


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # Whole numbers of JSON have no bound; a float does, and so has the calendar.
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e11
    if not usable or value is None:
        raise Refused(Code.ID_TOKEN_MALFORMED, f"the identity token has no usable time ({name})")
    return float(value)


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    value = claims.get("aud")
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def _malformed(error: InvalidJws) -> Refused:
    return Refused(
        Code.ID_TOKEN_MALFORMED,
        f"the identity token can't be read: {error}",
        hint="expected a signed JWT and nothing else",
    )
