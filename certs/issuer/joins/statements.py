"""What the issuer and a key's holder sign for each other: challenge, proof, join state. Pure.

- *Challenge*: the issuer's, good for a minute, with a nonce; for one purpose and one subject (a
  rule, or a certificate's serial number).
- *Proof*: the holder's answer. It holds the challenge letter by letter, and the digest of the
  signing request, so that it can't be used for another one.
- *Join state*: the issuer's receipt of a join with a bound key, without an end, to be shown at the
  next one. A copy of the key without the newest state is found out.

Each kind has its `typ` (RFC 8725 §3.11): none passes for another.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import jwt

from certs import keys
from certs.issuer.joins.compact_jws import CompactJws, InvalidJws, VerificationKey, fits
from certs.issuer.refusal import Code, Refused
from certs.issuer.strict_json import json_object

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

Purpose = Literal["join", "renew"]

CHALLENGE_LIFE: Final = timedelta(minutes=1)
#: For so long a proof's nonce has to be remembered, so that it is good once.
PROOF_LIFE: Final = timedelta(minutes=2)
NONCE_BYTES: Final = 32

_CHALLENGE: Final = "devwiz-gw-challenge+jwt"
_PROOF: Final = "devwiz-gw-proof+jwt"
_STATE: Final = "devwiz-gw-join-state+jwt"
_ALGORITHM: Final = "ES256"
_PROOF_ALGORITHMS: Final = ("ES256", "ES384", "EdDSA", "RS256")
# A challenge is used at once by who asked for it, so a slow clock of ours is all there can be.
_BACKDATE: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinState:
    """What a join state says.

    Attributes:
        rule: whose key it goes with, and
        binding: which of the keys that the rule had one after the other.
        instance: the instance that joined.
        sequence: how many joins came before it in a row, and itself.
        id: tells it from another join's state of the same number.
    """

    rule: str
    binding: str
    instance: str
    sequence: int
    id: str
    recovery_mode: str
    recovery_limit: int


class Signer:
    """The issuer's own signatures.

    Args:
        key: P-256, known to nobody else.
        issuer: the issuer's SPIFFE id: the `iss` and `aud` of what it signs.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, *, issuer: str) -> None:
        self._key = key
        self._issuer = issuer

    def challenge(self, purpose: Purpose, subject: str, *, nonce: bytes, now: datetime) -> str:
        """A challenge to prove who one is."""
        claims = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": subject,
            "purpose": purpose,
            "iat": int(now.timestamp()),
            "nbf": int((now - _BACKDATE).timestamp()),
            "exp": int((now + CHALLENGE_LIFE).timestamp()),
            "nonce": nonce.hex(),
        }
        return self._signed(_CHALLENGE, claims)

    def state(self, state: JoinState, *, now: datetime) -> str:
        """The receipt of a join."""
        claims = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": state.rule,
            "iat": int(now.timestamp()),
            "jti": state.id,
            "binding": state.binding,
            "instance": state.instance,
            "recovery_sequence": state.sequence,
            "recovery_mode": state.recovery_mode,
            "recovery_limit": state.recovery_limit,
        }
        return self._signed(_STATE, claims)

    def read_state(self, text: str, *, rule: str) -> JoinState:
        """A state that was signed here, for this rule.

        Raises:
            Refused: `join_state_invalid`.
        """
        claims = self._own_claims(_STATE, text)
        if claims is None or claims.get("sub") != rule:
            raise Refused(
                Code.JOIN_STATE_INVALID,
                "the join state is not one that this issuer gave for this rule",
                hint="is it of another issuer, or of another rule? then remove it",
            )
        return JoinState(
            rule=rule,
            binding=claims["binding"],
            instance=claims["instance"],
            sequence=claims["recovery_sequence"],
            id=claims["jti"],
            recovery_mode=claims["recovery_mode"],
            recovery_limit=claims["recovery_limit"],
        )

    def nonce_of(self, text: str, purpose: Purpose, subject: str, *, now: datetime) -> str:
        """The nonce of a challenge that was made here for this, and is still good.

        Raises:
            Refused: `proof_invalid`, `challenge_expired`.
        """
        claims = self._own_claims(_CHALLENGE, text)
        if claims is None or (claims.get("purpose"), claims.get("sub")) != (purpose, subject):
            raise _invalid("it answers another challenge")
        if not claims["nbf"] <= now.timestamp() < claims["exp"]:
            raise Refused(
                Code.CHALLENGE_EXPIRED,
                "the challenge has expired",
                hint="ask for another one and answer it within a minute",
            )
        return str(claims["nonce"])

    def _signed(self, kind: str, claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), self._key, algorithm=_ALGORITHM, headers={"typ": kind})

    def _own_claims(self, kind: str, text: str) -> dict[str, Any] | None:
        try:
            statement = CompactJws.parse(text)
            if statement.type != kind or not statement.is_signed_by(self._key.public_key()):
                return None
            return statement.claims()
        except InvalidJws:
            return None


def proven_challenge(text: str, key: keys.PublicKey, csr_pem: bytes) -> str:
    """The challenge in a proof that `key` signed for this signing request.

    Raises:
        Refused: `proof_invalid`.
    """
    try:
        proof = CompactJws.parse(text)
    except InvalidJws as error:
        raise _invalid(str(error)) from None
    if proof.type != _PROOF or proof.algorithm not in _PROOF_ALGORITHMS:
        raise _invalid("it is not a proof")
    if not fits_a_proof(key) or not proof.is_signed_by(key):
        raise _invalid("its signature is not that key's")
    claims = json_object(proof.payload) or {}
    challenge, digest = claims.get("challenge"), claims.get("csr_sha256")
    if not isinstance(challenge, str) or not isinstance(digest, str) or not digest.isascii():
        raise _invalid("it has no challenge and no digest of the signing request")
    if not hmac.compare_digest(digest, hashlib.sha256(csr_pem).hexdigest()):
        raise _invalid("it is for another signing request")
    return challenge


def fits_a_proof(key: VerificationKey) -> bool:
    """Whether a key can sign proofs: EC P-256 or P-384, Ed25519, RSA of 2048 bits or more."""
    return any(fits(algorithm, key) for algorithm in _PROOF_ALGORITHMS)


def _invalid(why: str) -> Refused:
    return Refused(Code.PROOF_INVALID, f"the proof of the key is not good: {why}")
