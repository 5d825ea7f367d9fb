"""A holder of a bound key, in a few lines, as anybody's client might be written."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from certs import csr, keys
from certs.issuer.folder import OpenedIssuer
from certs.issuer.joins.key_joins import KeyAttempt
from certs.issuer.joins.rule_book import RuleWish
from certs.issuer.joins.rules import BoundKeyTerms, RecoveryMode
from certs.issuer.joins.service import JoinService
from certs.issuer.refusal import Code, Refused
from certs.issuer.signing import Issued
from identity.secret_stores.base import Secret
from tests.fakes.issuer import ManualClock, leaf_der

RULE = "laptop"


def public_pem(key: keys.PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def proof(challenge: str, key: Any, csr_pem: bytes, **header: Any) -> str:
    payload = {"challenge": challenge, "csr_sha256": hashlib.sha256(csr_pem).hexdigest()}
    headers = {"typ": "devwiz-gw-proof+jwt"} | header
    return jwt.encode(payload, key, algorithm="ES256", headers=headers)


class Holder:
    """Joins by `rule` with its key; keeps the last state, unless told that the reply was lost."""

    def __init__(self, joins: JoinService, rule: str, key: keys.PrivateKey | None = None) -> None:
        self.joins = joins
        self.rule = rule
        self.key = key or keys.generate()
        self.state = ""

    def copy(self) -> Holder:
        """What a thief of key and state has."""
        copied = Holder(self.joins, self.rule, self.key)
        copied.state = self.state
        return copied

    def join(
        self,
        now: datetime,
        *,
        leaf_key: keys.PrivateKey | None = None,
        registration: Secret | None = None,
        is_lost: bool = False,
    ) -> Issued:
        request = csr.build(leaf_key or keys.generate())
        challenge = self.joins.challenge("join", self.rule, now)
        attempt = KeyAttempt(
            rule=self.rule,
            public_key_pem=public_pem(self.key),
            proof=proof(challenge, self.key, request),
            join_state=self.state,
            registration=registration,
            csr_pem=request,
            peer="192.0.2.7",
        )
        issued = self.joins.join_by_key(attempt, now)
        if not is_lost:
            self.state = issued.join_state
        return issued


def refused(code: Code) -> pytest.RaisesExc[Refused]:
    """Expects a refusal with that code."""
    return pytest.RaisesExc(Refused, check=lambda error: error.code is code)


def bound(
    opened: OpenedIssuer, clock: ManualClock, mode: RecoveryMode = "relaxed", limit: int = 1
) -> Holder:
    """A holder whose key was registered beforehand."""
    holder = Holder(opened.joins, RULE)
    terms = BoundKeyTerms(mode=mode, recovery_limit=limit)
    wish = RuleWish(
        name=RULE, workload="planner", terms=terms, public_key_pem=public_pem(holder.key)
    )
    opened.rule_book.add(wish, clock.now())
    return holder


def renew(
    opened: OpenedIssuer, clock: ManualClock, held: Issued, key: keys.PrivateKey | None = None
) -> Issued:
    request = csr.build(key or keys.generate())
    return opened.service.renew(leaf_der(held), request, peer="192.0.2.7", now=clock.now())
