"""Where joins arrive: reads a request's members, sees to the provider's keys, asks the service in
the issuer's thread.
"""

from __future__ import annotations

from typing import Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs.clock import Clock
from certs.issuer.joins import identity_token
from certs.issuer.joins.key_joins import KeyAttempt
from certs.issuer.joins.key_set import KeySet
from certs.issuer.joins.providers import Providers
from certs.issuer.joins.service import JoinService, TokenAttempt
from certs.issuer.joins.statements import Purpose
from certs.issuer.refusal import Code, Refused
from certs.issuer.signing import Issued
from certs.issuer.strict_json import text_member
from certs.issuer.worker import Worker
from identity.secret_stores.base import Secret

_PURPOSES: Final = ("join", "renew")
_MAX_SUBJECT: Final = 64


class JoinDesk:
    """Takes requests for joins by rules, and for renewals after the end."""

    def __init__(
        self, *, service: JoinService, worker: Worker, clock: Clock, providers: Providers
    ) -> None:
        self._service = service
        self._worker = worker
        self._clock = clock
        self._providers = providers

    async def challenge(self, content: dict[str, Any]) -> str:
        """A challenge for a purpose and a subject."""
        purpose, subject = text_member(content, "purpose"), text_member(content, "subject")
        if purpose not in _PURPOSES or len(subject) > _MAX_SUBJECT:
            raise Refused(
                Code.MALFORMED_REQUEST,
                "a challenge is for the purpose join or renew, and a subject of up to "
                f"{_MAX_SUBJECT} characters",
            )
        return await self._worker.run(
            lambda: self._service.challenge(cast("Purpose", purpose), subject, self._clock.now())
        )

    async def join(self, content: dict[str, Any], *, peer: str) -> Issued:
        """Join by the rule that the content names: with a proof, or with an identity token."""
        if "proof" in content:
            by_key = _key_attempt(content, peer)
            return await self._worker.run(
                lambda: self._service.join_by_key(by_key, self._clock.now())
            )
        rule, token = text_member(content, "rule"), text_member(content, "id_token")
        by_token = TokenAttempt(
            rule=rule,
            token=token,
            keys=await self._keys(rule, token),
            csr_pem=text_member(content, "csr_pem").encode(),
            peer=peer,
        )
        return await self._worker.run(
            lambda: self._service.join_by_token(by_token, self._clock.now())
        )

    async def renew_ended(self, content: dict[str, Any], *, peer: str) -> Issued:
        """Renew a certificate that has ended."""
        leaf_der = _der(text_member(content, "certificate_pem"))
        proof, csr_pem = text_member(content, "proof"), text_member(content, "csr_pem").encode()
        return await self._worker.run(
            lambda: self._service.renew_ended(
                leaf_der, proof, csr_pem, peer=peer, now=self._clock.now()
            )
        )

    async def _keys(self, rule: str, token: str) -> KeySet | Refused:
        """The keys to check the token by. A refusal is passed on, to be written down."""
        terms = await self._worker.run(lambda: self._service.terms_of(rule))
        if terms is None:
            return KeySet({})
        try:
            # Nothing is fetched for a token that can't be good, whatever its key.
            shown = identity_token.parse(token)
            if shown.algorithm not in terms.algorithms:
                return KeySet({})
            return await self._providers.keys(terms.provider, shown.key_id)
        except Refused as refused:
            return refused


def _key_attempt(content: dict[str, Any], peer: str) -> KeyAttempt:
    registration = None
    if "registration_secret" in content:
        registration = Secret(text_member(content, "registration_secret"))
    return KeyAttempt(
        rule=text_member(content, "rule"),
        public_key_pem=text_member(content, "public_key_pem"),
        proof=text_member(content, "proof"),
        join_state=text_member(content, "join_state") if "join_state" in content else "",
        registration=registration,
        csr_pem=text_member(content, "csr_pem").encode(),
        peer=peer,
    )


def _der(pem: str) -> bytes:
    try:
        leaf = x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, x509.InvalidVersion):
        raise Refused(Code.MALFORMED_REQUEST, "the certificate can't be read") from None
    return leaf.public_bytes(serialization.Encoding.DER)
