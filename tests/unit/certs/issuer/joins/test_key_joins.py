"""Joins with a bound key, without HTTP: registration, recovery, copies, limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from certs import csr, keys
from certs.issuer.folder import OpenedIssuer, open_issuer
from certs.issuer.joins.key_joins import KeyAttempt
from certs.issuer.joins.key_set import KeySet
from certs.issuer.joins.rule_book import RuleWish
from certs.issuer.joins.rules import BoundKeyTerms, RecoveryMode
from certs.issuer.joins.service import TokenAttempt
from certs.issuer.refusal import Code, Refused
from certs.issuer.signing import Issued
from identity.secret_stores.base import Secret
from tests.fakes.bound_key import Holder, proof, public_pem
from tests.fakes.issuer import PLANNER, ManualClock, audit_lines, leaf_der, leaf_of

RULE = "laptop"


def refused(code: Code) -> pytest.RaisesExc[Refused]:
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


def registration(opened: OpenedIssuer, clock: ManualClock) -> Secret:
    new = opened.rule_book.add(
        RuleWish(name=RULE, workload="planner", terms=BoundKeyTerms()), clock.now()
    )
    assert new.registration is not None
    return new.registration


def renew(
    opened: OpenedIssuer, clock: ManualClock, held: Issued, key: keys.PrivateKey | None = None
) -> Issued:
    request = csr.build(key or keys.generate())
    return opened.service.renew(leaf_der(held), request, peer="192.0.2.7", now=clock.now())


def serial_of(issued: Issued) -> str:
    return f"{leaf_of(issued).serial_number:x}"


def test_a_registered_key_joins_as_often_as_it_likes(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    holder = bound(opened, clock)
    instances = set()
    for _ in range(5):
        issued = holder.join(clock.now())
        assert issued.spiffe_id == PLANNER
        instances.add(issued.instance)
        clock.pass_by(timedelta(days=30))
        opened.service.prune(clock.now())
    assert len(instances) == 1


def test_a_registration_secret_binds_one_key(opened: OpenedIssuer, clock: ManualClock) -> None:
    secret = registration(opened, clock)
    holder = Holder(opened.joins, RULE)
    with refused(Code.KEY_NOT_BOUND):
        holder.join(clock.now())
    holder.join(clock.now(), registration=secret)
    holder.join(clock.now())
    # Its own holder may still have it in its configuration.
    holder.join(clock.now(), registration=secret)
    other = Holder(opened.joins, RULE)
    with refused(Code.REGISTRATION_INVALID):
        other.join(clock.now(), registration=secret)
    with refused(Code.KEY_NOT_BOUND):
        other.join(clock.now())


@pytest.mark.parametrize(
    "text", ["dgwr_x", f"dgwr_{'0' * 16}_{'0' * 64}", f"dgwj_{'0' * 16}_{'0' * 64}"]
)
def test_a_wrong_registration_secret_binds_nothing(
    opened: OpenedIssuer, clock: ManualClock, text: str
) -> None:
    registration(opened, clock)
    with refused(Code.REGISTRATION_INVALID):
        Holder(opened.joins, RULE).join(clock.now(), registration=Secret(text))


def test_a_registration_secret_ends(opened: OpenedIssuer, clock: ManualClock) -> None:
    secret = registration(opened, clock)
    clock.pass_by(timedelta(hours=24))
    with refused(Code.REGISTRATION_INVALID):
        Holder(opened.joins, RULE).join(clock.now(), registration=secret)


def test_a_new_registration_takes_the_old_keys_place(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    holder = bound(opened, clock)
    first = holder.join(clock.now())
    secret = opened.rule_book.new_registration(RULE, life=timedelta(hours=1), now=clock.now())
    with refused(Code.REGISTRATION_INVALID):
        holder.join(clock.now(), registration=Secret(f"dgwr_{'0' * 16}_{'0' * 64}"))
    # The holder's state is of the time before; with another key it says nothing.
    again = Holder(opened.joins, RULE)
    again.state = holder.state
    assert again.join(clock.now(), registration=secret).instance != first.instance
    with refused(Code.KEY_NOT_BOUND):
        holder.join(clock.now())


@pytest.mark.parametrize("mode", ["standard", "relaxed"])
def test_of_two_holders_of_a_key_the_second_to_move_is_found_out(
    opened: OpenedIssuer, clock: ManualClock, mode: RecoveryMode
) -> None:
    holder = bound(opened, clock, mode, limit=100)
    issued = holder.join(clock.now())
    thief = holder.copy()
    thief.join(clock.now())
    thief.join(clock.now())
    with refused(Code.JOIN_STATE_MISMATCH):
        holder.join(clock.now())
    # The smallest lineage, whole: neither of the two gets any further.
    with refused(Code.INSTANCE_LOCKED):
        thief.join(clock.now())
    with refused(Code.INSTANCE_LOCKED):
        renew(opened, clock, issued)


def test_a_copied_key_beside_a_running_holder_is_found_at_its_renewal(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    holder = bound(opened, clock)
    held = renew(opened, clock, holder.join(clock.now()))
    with refused(Code.JOIN_STATE_MISMATCH):
        Holder(opened.joins, RULE, holder.key).join(clock.now())
    with refused(Code.INSTANCE_LOCKED):
        renew(opened, clock, held)


def test_a_copy_of_key_and_state_beside_a_running_holder_is_found(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    holder = bound(opened, clock)
    held = renew(opened, clock, holder.join(clock.now()))
    holder.copy().join(clock.now())
    with refused(Code.GENERATION_MISMATCH):
        renew(opened, clock, held)


def test_only_that_instance_is_locked(opened: OpenedIssuer, clock: ManualClock) -> None:
    holder = bound(opened, clock)
    other = Holder(opened.joins, "desktop")
    opened.rule_book.add(
        RuleWish(
            name="desktop",
            workload="planner",
            terms=BoundKeyTerms(),
            public_key_pem=public_pem(other.key),
        ),
        clock.now(),
    )
    first = other.join(clock.now())
    thief = holder.copy()
    holder.join(clock.now())
    holder.join(clock.now())
    with refused(Code.JOIN_STATE_MISMATCH):
        thief.join(clock.now())
    renew(opened, clock, first)
    other.join(clock.now())


def test_a_lost_reply_locks_nobody_and_counts_once(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    holder = bound(opened, clock, "standard", limit=2)
    holder.join(clock.now())
    key = keys.generate()
    first = holder.join(clock.now(), leaf_key=key, is_lost=True)
    again = holder.join(clock.now(), leaf_key=key)
    assert (again.instance, again.generation) == (first.instance, first.generation)
    renew(opened, clock, again)
    with refused(Code.RECOVERY_LIMIT):
        holder.join(clock.now())


def test_a_holder_that_crashed_before_it_kept_the_state_comes_back(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    holder = bound(opened, clock)
    holder.join(clock.now(), is_lost=True)
    holder.join(clock.now(), is_lost=True)
    holder.join(clock.now())
    holder.join(clock.now(), is_lost=True)
    held = holder.join(clock.now())
    renew(opened, clock, renew(opened, clock, held))
    holder.join(clock.now())


def test_who_uses_the_certificate_has_kept_the_state(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    holder = bound(opened, clock)
    holder.join(clock.now())
    renew(opened, clock, holder.join(clock.now(), is_lost=True))
    with refused(Code.JOIN_STATE_MISMATCH):
        holder.join(clock.now())


def test_the_limit_counts_joins_and_can_be_raised(opened: OpenedIssuer, clock: ManualClock) -> None:
    holder = bound(opened, clock, "standard", limit=2)
    holder.join(clock.now())
    holder.join(clock.now())
    with refused(Code.RECOVERY_LIMIT):
        holder.join(clock.now())
    opened.rule_book.change_recovery(RULE, mode=None, limit=3, now=clock.now())
    holder.join(clock.now())
    with refused(Code.RECOVERY_LIMIT):
        holder.join(clock.now())
    opened.rule_book.change_recovery(RULE, mode="relaxed", limit=None, now=clock.now())
    holder.join(clock.now())


def test_losing_the_state_on_purpose_gets_round_no_limit(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    holder = bound(opened, clock, "standard", limit=2)
    for _ in range(2):
        holder.join(clock.now(), is_lost=True)
    with refused(Code.RECOVERY_LIMIT):
        holder.join(clock.now(), is_lost=True)


def test_an_insecure_rule_asks_for_the_key_alone(opened: OpenedIssuer, clock: ManualClock) -> None:
    holder = bound(opened, clock, "insecure")
    first, second = holder.join(clock.now(), is_lost=True), holder.join(clock.now(), is_lost=True)
    # Each is an instance of its own: a static key may be in several places.
    assert first.instance != second.instance
    assert not first.join_state
    renew(opened, clock, first)
    renew(opened, clock, second)


def test_a_state_of_somebody_elses_is_refused_without_a_lock(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    holder = bound(opened, clock)
    holder.join(clock.now())
    good = holder.state
    forged = jwt.encode(
        jwt.decode(good, options={"verify_signature": False}) | {"recovery_sequence": 9},
        keys.generate(),
        algorithm="ES256",
        headers={"typ": "devwiz-gw-join-state+jwt"},
    )
    challenge = opened.joins.challenge("join", RULE, clock.now())
    for state in (forged, "x", good[:-4], challenge, jwt.encode({}, "x" * 32, algorithm="HS256")):
        holder.state = state
        with refused(Code.JOIN_STATE_INVALID):
            holder.join(clock.now())
    holder.state = good
    holder.join(clock.now())


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
    request = csr.build(keys.generate())
    challenge = opened.joins.challenge("join", RULE, clock.now())
    attempt = KeyAttempt(
        rule=RULE,
        public_key_pem=public_pem(holder.key),
        proof=proof(challenge, holder.key, request),
        join_state="",
        registration=None,
        csr_pem=request,
        peer="",
    )
    with refused(Code.PROOF_INVALID):
        opened.joins.join_by_key(spoil(attempt, opened, holder, clock), clock.now())
    opened.joins.join_by_key(attempt, clock.now())
    # And a good one is good once.
    with refused(Code.PROOF_INVALID):
        opened.joins.join_by_key(attempt, clock.now())


def test_a_challenge_is_good_for_a_minute(opened: OpenedIssuer, clock: ManualClock) -> None:
    holder = bound(opened, clock)
    request = csr.build(keys.generate())
    challenge = opened.joins.challenge("join", RULE, clock.now())
    attempt = KeyAttempt(
        rule=RULE,
        public_key_pem=public_pem(holder.key),
        proof=proof(challenge, holder.key, request),
        join_state="",
        registration=None,
        csr_pem=request,
        peer="",
    )
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


def test_a_rule_is_for_one_way_to_join(opened: OpenedIssuer, clock: ManualClock) -> None:
    bound(opened, clock)
    attempt = TokenAttempt(rule=RULE, token="x", keys=KeySet({}), csr_pem=b"", peer="")
    with refused(Code.METHOD_MISMATCH):
        opened.joins.join_by_token(attempt, clock.now())
    with refused(Code.RULE_UNKNOWN):
        opened.joins.join_by_token(replace(attempt, rule="nobody"), clock.now())


def test_state_and_key_survive_the_issuers_end(
    opened: OpenedIssuer, clock: ManualClock, folder: Path
) -> None:
    holder = bound(opened, clock)
    holder.join(clock.now())
    again = open_issuer(folder)
    holder.joins = again.joins
    holder.join(clock.now())
    again.service.close()
    assert (folder / "join-state.key").stat().st_mode & 0o777 == 0o600


def test_the_audit_file_says_who_and_how_and_holds_no_secret(
    opened: OpenedIssuer, clock: ManualClock, folder: Path
) -> None:
    secret = registration(opened, clock)
    holder = Holder(opened.joins, RULE)
    holder.join(clock.now(), registration=secret)
    made, joined = audit_lines(folder)
    assert (made["action"], made["token_id"]) == ("rule", "rule:laptop")
    assert made["evidence"] == {"method": "bound-key", "change": "made"}
    assert joined["evidence"] == {
        "method": "bound-key",
        "key": keys.spki_pin(holder.key.public_key()),
        "registered": "yes",
    }
    text = json.dumps([made, joined])
    assert secret.reveal() not in text
    assert holder.state not in text


def test_an_ended_certificate_is_renewed_by_its_key(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    key = keys.generate()
    held = bound(opened, clock).join(clock.now(), leaf_key=key)
    clock.pass_by(timedelta(hours=5))
    request = csr.build(keys.generate())

    def attempt(subject: str, signer: Any, request: bytes = request) -> Issued:
        challenge = opened.joins.challenge("renew", subject, clock.now())
        return opened.joins.renew_ended(
            leaf_der(held), proof(challenge, signer, request), request, peer="", now=clock.now()
        )

    own = serial_of(held)
    with refused(Code.PROOF_INVALID):
        attempt(own, keys.generate())
    with refused(Code.PROOF_INVALID):
        attempt("7f", key)
    renewed = attempt(own, key)
    assert (renewed.instance, renewed.generation) == (held.instance, held.generation + 1)
    # The same request again gets the same link; another key's is the confirmed holder's again.
    assert attempt(own, key).generation == renewed.generation
    renew(opened, clock, renewed)
    with refused(Code.GENERATION_MISMATCH):
        attempt(own, key, csr.build(keys.generate()))


def test_a_certificate_that_ended_long_ago_is_not_renewed(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    key = keys.generate()
    held = bound(opened, clock).join(clock.now(), leaf_key=key)
    clock.pass_by(timedelta(days=7, hours=1))
    request = csr.build(keys.generate())
    challenge = opened.joins.challenge("renew", serial_of(held), clock.now())
    with refused(Code.CERTIFICATE_EXPIRED):
        opened.joins.renew_ended(
            leaf_der(held), proof(challenge, key, request), request, peer="", now=clock.now()
        )


def forged_from(held: Issued, key: Any, not_after: datetime) -> bytes:
    """What the holder of an ended certificate can write down: its serial number and key, with
    another end, signed by nobody who counts.
    """
    leaf = leaf_of(held)
    return (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .public_key(key.public_key())
        .serial_number(leaf.serial_number)
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(not_after)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def test_an_ended_certificate_ends_when_the_issuer_says(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    key = keys.generate()
    held = bound(opened, clock).join(clock.now(), leaf_key=key)
    clock.pass_by(timedelta(days=7, hours=1))
    request = csr.build(keys.generate())
    challenge = opened.joins.challenge("renew", serial_of(held), clock.now())
    forged = forged_from(held, key, clock.now() + timedelta(days=1))
    with refused(Code.CERTIFICATE_EXPIRED):
        opened.joins.renew_ended(
            forged, proof(challenge, key, request), request, peer="", now=clock.now()
        )


def test_strangers_leave_no_nonces_behind(opened: OpenedIssuer, clock: ManualClock) -> None:
    bound(opened, clock)
    for _ in range(3):
        with refused(Code.KEY_NOT_BOUND):
            Holder(opened.joins, RULE).join(clock.now())
    assert not opened.joins._nonces._used


def test_a_certificate_on_a_key_that_cant_be_read_is_not_known(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    der = leaf_der(bound(opened, clock).join(clock.now()))
    ec_public_key = bytes.fromhex("06072a8648ce3d0201")
    assert ec_public_key in der
    spoilt = der.replace(ec_public_key, ec_public_key[:-1] + b"\x07")
    with refused(Code.CERTIFICATE_UNKNOWN):
        opened.joins.renew_ended(spoilt, "a.b.c", b"", peer="", now=clock.now())


def with_long_serial(der: bytes, serial: int) -> bytes:
    """A certificate whose serial number takes 5,000 bytes, where RFC 5280 §4.1.2.2 allows 20."""

    def sized(tag: int, content: bytes) -> bytes:
        return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content

    short = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    field = bytes([2, len(short)]) + short
    # The outer SEQUENCE and the one to be signed have lengths of two bytes each.
    length = int.from_bytes(der[6:8], "big")
    body, signed = der[8 : 8 + length], der[8 + length :]
    return sized(0x30, sized(0x30, body.replace(field, sized(2, b"\x7f" * 5_000), 1)) + signed)


def test_a_serial_number_without_end_doesnt_fill_the_audit_file(
    opened: OpenedIssuer, clock: ManualClock, folder: Path
) -> None:
    leaf = leaf_of(bound(opened, clock).join(clock.now()))
    spoilt = with_long_serial(leaf.public_bytes(serialization.Encoding.DER), leaf.serial_number)
    assert x509.load_der_x509_certificate(spoilt).serial_number.bit_length() > 39_000
    with refused(Code.CERTIFICATE_UNKNOWN):
        opened.joins.renew_ended(spoilt, "a.b.c", b"", peer="", now=clock.now())
    assert audit_lines(folder)[-1]["serial"] == "7f" * 20
