"""Joins by rules, beside the issuer's other operations: no HTTP, no event loop, one thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from certs import keys
from certs.issuer.audit import Event
from certs.issuer.ca import RandomBytes
from certs.issuer.joins import identity_token, statements
from certs.issuer.joins.admission import Admission, other_method
from certs.issuer.joins.key_joins import KeyAttempt, KeyJoins
from certs.issuer.joins.key_set import KeySet
from certs.issuer.joins.nonces import UsedNonces
from certs.issuer.joins.rules import TokenTerms
from certs.issuer.joins.statements import Purpose, Signer
from certs.issuer.refusal import Code, Refused
from certs.issuer.service import Applicant, IssuerService
from certs.issuer.signing import Issued
from certs.issuer.store import Store

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TokenAttempt:
    """Somebody with an identity token; `keys` are its provider's, or why there are none."""

    rule: str
    token: str
    keys: KeySet | Refused
    csr_pem: bytes
    peer: str


class JoinService:
    """Joins by the rules of one issuer, in the issuer's thread."""

    def __init__(
        self, issuer: IssuerService, store: Store, *, signer: Signer, random: RandomBytes
    ) -> None:
        self._issuer = issuer
        self._store = store
        self._signer = signer
        self._random = random
        self._nonces = UsedNonces()
        self._admission = Admission(store, random)
        self._key_joins = KeyJoins(
            issuer, store, admission=self._admission, signer=signer, nonces=self._nonces
        )

    def terms_of(self, name: str) -> TokenTerms | None:
        """Where a rule's tokens come from; None where it takes none, or isn't there."""
        rule = self._store.join_rules.find(name)
        return rule.terms if rule is not None and isinstance(rule.terms, TokenTerms) else None

    def challenge(self, purpose: Purpose, subject: str, now: datetime) -> str:
        """A challenge for whoever asks: it is worth something only together with the key."""
        nonce = self._random(statements.NONCE_BYTES)
        return self._signer.challenge(purpose, subject, nonce=nonce, now=now)

    def join_by_token(self, attempt: TokenAttempt, now: datetime) -> Issued:
        """Turn an identity token and a signing request into a new instance's certificate.

        Raises:
            Refused: the token, the rule, the request or policy stands against it.
        """
        event = Event(action="join", peer=attempt.peer)

        def applicant() -> Applicant:
            rule = self._admission.rule(attempt.rule, event)
            if not isinstance(rule.terms, TokenTerms):
                raise other_method(rule)
            token = identity_token.parse(attempt.token)
            if isinstance(attempt.keys, Refused):
                raise attempt.keys
            claims = identity_token.check(token, rule.terms, attempt.keys, now)
            event.evidence |= identity_token.evidence(claims)
            return Applicant(
                rule.binding,
                rule.targets,
                lambda key: self._admission.new_or_repeated(rule, key, event, now),
            )

        return self._issuer.admit(applicant, attempt.csr_pem, event=event, now=now)

    def join_by_key(self, attempt: KeyAttempt, now: datetime) -> Issued:
        """See `KeyJoins.join`."""
        return self._key_joins.join(attempt, now)

    def renew_ended(
        self, leaf_der: bytes, proof: str, csr_pem: bytes, *, peer: str, now: datetime
    ) -> Issued:
        """Renew a certificate that may have ended, by its key's proof.

        Raises:
            Refused: as `IssuerService.renew`, or the proof is not good.
        """

        def prove(leaf: x509.Certificate) -> None:
            key = leaf.public_key()
            if not isinstance(key, keys.PublicKey):
                raise Refused(Code.PROOF_INVALID, "the certificate's key can't sign a proof")
            challenge = statements.proven_challenge(proof, key, csr_pem)
            nonce = self._signer.nonce_of(challenge, "renew", f"{leaf.serial_number:x}", now=now)
            self._nonces.use(nonce, now)

        return self._issuer.renew(leaf_der, csr_pem, peer=peer, now=now, prove=prove)
