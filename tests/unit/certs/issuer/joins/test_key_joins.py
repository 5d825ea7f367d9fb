"""Joins with a bound key, without HTTP: registration, copies, limits."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from certs import keys
from certs.issuer.folder import OpenedIssuer, init, open_issuer
from certs.issuer.joins.key_set import KeySet
from certs.issuer.joins.rule_book import RuleWish
from certs.issuer.joins.rules import BoundKeyTerms, RecoveryMode
from certs.issuer.joins.service import TokenAttempt
from certs.issuer.limits import Limits, Rates
from certs.issuer.refusal import Code
from identity.secret_stores.base import Secret
from tests.fakes.bound_key import RULE, Holder, bound, public_pem, refused, renew
from tests.fakes.issuer import PLANNER, TRUST_DOMAIN, ManualClock, audit_lines


def registration(opened: OpenedIssuer, clock: ManualClock) -> Secret:
    new = opened.rule_book.add(
        RuleWish(name=RULE, workload="planner", terms=BoundKeyTerms()), clock.now()
    )
    assert new.registration is not None
    return new.registration


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


def test_strangers_dont_use_up_the_rate_of_the_keys_holder(
    folder: Path, clock: ManualClock
) -> None:
    init(folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    limits = Limits(Rates(token=1), monotonic_s=lambda: 0.0)
    opened = open_issuer(folder, limits=limits)
    holder = bound(opened, clock)
    for _ in range(20):
        with refused(Code.KEY_NOT_BOUND):
            Holder(opened.joins, RULE).join(clock.now())
    holder.join(clock.now())
    opened.service.close()


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
