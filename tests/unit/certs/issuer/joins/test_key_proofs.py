"""Proofs of a bound key that are none, and keys that are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest

from certs import csr, keys
from certs.issuer.folder import OpenedIssuer
from certs.issuer.joins.key_joins import KeyAttempt
from certs.issuer.refusal import Code
from tests.fakes.bound_key import RULE, Holder, bound, proof, public_pem, refused
from tests.fakes.issuer import ManualClock

Spoil = Callable[[KeyAttempt, OpenedIssuer, Holder, ManualClock], KeyAttempt]


def other_request(attempt: KeyAttempt, *_: Any) -> KeyAttempt:
    return replace(attempt, csr_pem=csr.build(keys.generate()))


def other_signer(
    attempt: KeyAttempt, opened: OpenedIssuer, _holder: Holder, clock: ManualClock
) -> KeyAttempt:
    challenge = opened.joins.challenge("join", RULE, clock.now())
    return replace(attempt, proof=proof(challenge, keys.generate(), attempt.csr_pem))


def other_purpose(
    attempt: KeyAttempt, opened: OpenedIssuer, holder: Holder, clock: ManualClock
) -> KeyAttempt:
    challenge = opened.joins.challenge("renew", RULE, clock.now())
    return replace(attempt, proof=proof(challenge, holder.key, attempt.csr_pem))


def other_subject(
    attempt: KeyAttempt, opened: OpenedIssuer, holder: Holder, clock: ManualClock
) -> KeyAttempt:
    challenge = opened.joins.challenge("join", "desktop", clock.now())
    return replace(attempt, proof=proof(challenge, holder.key, attempt.csr_pem))


def own_challenge(
    attempt: KeyAttempt, opened: OpenedIssuer, holder: Holder, clock: ManualClock
) -> KeyAttempt:
    real = opened.joins.challenge("join", RULE, clock.now())
    claims = jwt.decode(real, options={"verify_signature": False})
    forged = jwt.encode(
        claims, holder.key, algorithm="ES256", headers={"typ": "devwiz-gw-challenge+jwt"}
    )
    return replace(attempt, proof=proof(forged, holder.key, attempt.csr_pem))


def other_type(
    attempt: KeyAttempt, opened: OpenedIssuer, holder: Holder, clock: ManualClock
) -> KeyAttempt:
    challenge = opened.joins.challenge("join", RULE, clock.now())
    return replace(attempt, proof=proof(challenge, holder.key, attempt.csr_pem, typ="JWT"))


def bare_challenge(
    attempt: KeyAttempt, opened: OpenedIssuer, _holder: Holder, clock: ManualClock
) -> KeyAttempt:
    return replace(attempt, proof=opened.joins.challenge("join", RULE, clock.now()))


def nothing(attempt: KeyAttempt, *_: Any) -> KeyAttempt:
    return replace(attempt, proof="e30.e30.e30")


def attempt_of(holder: Holder, opened: OpenedIssuer, clock: ManualClock) -> KeyAttempt:
    """A join with the key that is good once."""
    request = csr.build(keys.generate())
    challenge = opened.joins.challenge("join", RULE, clock.now())
    return KeyAttempt(
        rule=RULE,
        public_key_pem=public_pem(holder.key),
        proof=proof(challenge, holder.key, request),
        join_state="",
        registration=None,
        csr_pem=request,
        peer="",
    )


@pytest.mark.parametrize(
    "spoil",
    [
        other_request,
        other_signer,
        other_purpose,
        other_subject,
        own_challenge,
        other_type,
        bare_challenge,
        nothing,
    ],
)
def test_a_proof_that_is_none_is_refused(
    opened: OpenedIssuer, clock: ManualClock, spoil: Spoil
) -> None:
    holder = bound(opened, clock)
    attempt = attempt_of(holder, opened, clock)
    with refused(Code.PROOF_INVALID):
        opened.joins.join_by_key(spoil(attempt, opened, holder, clock), clock.now())
    opened.joins.join_by_key(attempt, clock.now())
    # And a good one is good once.
    with refused(Code.PROOF_INVALID):
        opened.joins.join_by_key(attempt, clock.now())


def test_a_challenge_is_good_for_a_minute(opened: OpenedIssuer, clock: ManualClock) -> None:
    holder = bound(opened, clock)
    attempt = attempt_of(holder, opened, clock)
    with refused(Code.CHALLENGE_EXPIRED):
        opened.joins.join_by_key(attempt, clock.now() + timedelta(minutes=1))
    with refused(Code.CHALLENGE_EXPIRED):
        opened.joins.join_by_key(attempt, clock.now() - timedelta(minutes=1))


@pytest.mark.parametrize(
    "pem", ["", "x", "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"]
)
def test_a_public_key_that_is_none_is_refused(
    opened: OpenedIssuer, clock: ManualClock, pem: str
) -> None:
    bound(opened, clock)
    attempt = KeyAttempt(
        rule=RULE,
        public_key_pem=pem,
        proof="a.b.c",
        join_state="",
        registration=None,
        csr_pem=b"",
        peer="",
    )
    with refused(Code.MALFORMED_REQUEST):
        opened.joins.join_by_key(attempt, clock.now())


def test_strangers_leave_no_nonces_behind(opened: OpenedIssuer, clock: ManualClock) -> None:
    bound(opened, clock)
    for _ in range(3):
        with refused(Code.KEY_NOT_BOUND):
            Holder(opened.joins, RULE).join(clock.now())
    assert not opened.joins._nonces._used
