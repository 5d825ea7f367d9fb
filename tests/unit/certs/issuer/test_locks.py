"""Locks on instances, workloads and tokens: denied at renewal and at join, until they end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from certs import csr, keys
from certs.issuer.folder import OpenedIssuer, open_issuer
from certs.issuer.locking import LockOrder, LockRefused
from certs.issuer.locks import LockKind, Target
from certs.issuer.refusal import Code, Refused
from certs.issuer.service import IssuerService
from certs.issuer.signing import Issued
from identity.secret_stores.base import Secret
from tests.fakes.issuer import ManualClock, audit_lines, leaf_der, new_token

PEER = "192.0.2.7"
BOT = Target(kind=LockKind.BOT, name="planner")


@pytest.fixture
def operator(service: IssuerService, folder: Path) -> Iterator[OpenedIssuer]:
    """A second process with the same folder, as `issuer lock` is."""
    opened = open_issuer(folder)
    yield opened
    opened.service.close()


def join(
    service: IssuerService, clock: ManualClock, token: Secret, key: keys.PrivateKey | None = None
) -> Issued:
    request = csr.build(key or keys.generate())
    return service.join(token, request, peer=PEER, now=clock.now())


def renew(service: IssuerService, clock: ManualClock, held: Issued) -> Issued:
    request = csr.build(keys.generate())
    return service.renew(leaf_der(held), request, peer=PEER, now=clock.now())


def refused(code: Code) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda error: error.code is code)


def instance(issued: Issued) -> Target:
    return Target(kind=LockKind.INSTANCE, name=issued.instance)


def token_id(token: Secret) -> Target:
    return Target(kind=LockKind.TOKEN, name=token.reveal().split("_")[1])


def test_a_locked_instance_is_denied_and_others_are_not(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    token = new_token(service, clock, uses=2)
    locked, other = join(service, clock, token), join(service, clock, token)
    operator.locking.lock(LockOrder(target=instance(locked)), clock.now())
    with refused(Code.INSTANCE_LOCKED):
        renew(service, clock, locked)
    renew(service, clock, other)


def test_a_locked_instance_is_denied_its_lost_join_too(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    token, key = new_token(service, clock), keys.generate()
    held = join(service, clock, token, key)
    operator.locking.lock(LockOrder(target=instance(held)), clock.now())
    with refused(Code.INSTANCE_LOCKED):
        join(service, clock, token, key)


def test_a_locked_workload_neither_renews_nor_joins_with_any_token(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    held, unused = join(service, clock, new_token(service, clock)), new_token(service, clock)
    coder = new_token(service, clock, workload="coder")
    operator.locking.lock(LockOrder(target=BOT), clock.now())
    with refused(Code.BOT_LOCKED):
        renew(service, clock, held)
    with refused(Code.BOT_LOCKED):
        join(service, clock, unused)
    renew(service, clock, join(service, clock, coder))
    operator.locking.unlock(BOT, clock.now())
    join(service, clock, unused)  # the denied one spent nothing


def test_a_workload_may_be_locked_before_anybody_joined(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    operator.locking.lock(LockOrder(target=BOT), clock.now())
    with refused(Code.BOT_LOCKED):
        join(service, clock, new_token(service, clock))


def test_a_locked_token_keeps_out_who_joined_with_it(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    token, other = new_token(service, clock, uses=2), new_token(service, clock)
    held, unharmed = join(service, clock, token), join(service, clock, other)
    operator.locking.lock(LockOrder(target=token_id(token)), clock.now())
    with refused(Code.TOKEN_LOCKED):
        renew(service, clock, held)
    with refused(Code.TOKEN_LOCKED):
        join(service, clock, token)
    renew(service, clock, unharmed)


def test_a_lock_ends_with_its_time_and_not_before(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    held = join(service, clock, new_token(service, clock))
    order = LockOrder(target=instance(held), ttl=timedelta(minutes=5))
    operator.locking.lock(order, clock.now())
    clock.pass_by(timedelta(minutes=5) - timedelta(milliseconds=1))
    with refused(Code.INSTANCE_LOCKED):
        renew(service, clock, held)
    clock.pass_by(timedelta(milliseconds=1))
    renew(service, clock, held)
    assert operator.locking.locks(clock.now()) == ()


def test_a_lifted_lock_lets_the_same_certificate_renew(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    held = join(service, clock, new_token(service, clock))
    operator.locking.lock(LockOrder(target=instance(held)), clock.now())
    assert operator.locking.unlock(instance(held), clock.now()) == instance(held)
    assert renew(service, clock, held).generation == 2


def test_the_message_reaches_whoever_is_denied(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    held = join(service, clock, new_token(service, clock))
    order = LockOrder(target=BOT, message="laptop lost, call Ada", ttl=timedelta(hours=1))
    operator.locking.lock(order, clock.now())
    with refused(Code.BOT_LOCKED) as caught:
        renew(service, clock, held)
    until = clock.now() + timedelta(hours=1)
    assert caught.value.members == {
        "lock_message": "laptop lost, call Ada",
        "lock_revokes": "certificate_hold",
        "lock_until": until.isoformat(timespec="seconds"),
    }


def test_a_copied_identity_is_locked_by_itself_and_can_be_unlocked(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    stolen = join(service, clock, new_token(service, clock))
    original = renew(service, clock, renew(service, clock, stolen))
    with refused(Code.GENERATION_MISMATCH):
        renew(service, clock, stolen)
    (lock,) = operator.locking.locks(clock.now())
    assert lock.target == instance(stolen)
    assert lock.message == "in use in two places: generation 1 was shown again"
    operator.locking.unlock(lock.target, clock.now())
    renew(service, clock, original)
    with refused(Code.GENERATION_MISMATCH):
        renew(service, clock, stolen)


def test_a_later_lock_replaces_the_one_on_the_same_target(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    operator.locking.lock(LockOrder(target=BOT, ttl=timedelta(hours=1)), clock.now())
    operator.locking.lock(LockOrder(target=BOT, message="for good"), clock.now())
    (lock,) = operator.locking.locks(clock.now())
    assert (lock.message, lock.until) == ("for good", None)


def test_an_instance_can_be_named_by_the_beginning_of_its_id(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    held = join(service, clock, new_token(service, clock))
    short = Target(kind=LockKind.INSTANCE, name=held.instance[:6])
    assert operator.locking.lock(LockOrder(target=short), clock.now()).lock.target == instance(held)
    assert operator.locking.unlock(short, clock.now()) == instance(held)


@pytest.mark.parametrize(
    "target",
    [
        Target(kind=LockKind.INSTANCE, name="0123456789abcdef"),
        Target(kind=LockKind.INSTANCE, name=""),
        Target(kind=LockKind.TOKEN, name="0123456789abcdef"),
    ],
    ids=str,
)
def test_what_isnt_there_cant_be_locked(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock, target: Target
) -> None:
    join(service, clock, new_token(service, clock))
    with pytest.raises(LockRefused, match="there is no"):
        operator.locking.lock(LockOrder(target=target), clock.now())
    assert operator.locking.locks(clock.now()) == ()


@pytest.mark.parametrize("name", ["planner", "plan", ""])
def test_what_isnt_locked_cant_be_unlocked(
    operator: OpenedIssuer, clock: ManualClock, name: str
) -> None:
    operator.locking.lock(LockOrder(target=Target(kind=LockKind.BOT, name="planner2")), clock.now())
    with pytest.raises(LockRefused, match="no lock on bot"):
        operator.locking.unlock(Target(kind=LockKind.BOT, name=name), clock.now())


@pytest.mark.parametrize(
    "order",
    [
        LockOrder(target=BOT, ttl=timedelta(0)),
        LockOrder(target=BOT, ttl=timedelta(days=3651)),
        LockOrder(target=BOT, message="two\nlines"),
        LockOrder(target=BOT, message="x" * 201),
    ],
    ids=["no time", "ten years", "lines", "long"],
)
def test_an_impossible_order_is_refused(
    operator: OpenedIssuer, clock: ManualClock, order: LockOrder
) -> None:
    with pytest.raises(LockRefused):
        operator.locking.lock(order, clock.now())
    assert operator.locking.locks(clock.now()) == ()


def test_each_lock_and_each_lifted_one_has_its_audit_line(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock, folder: Path
) -> None:
    held = join(service, clock, new_token(service, clock))
    operator.locking.lock(LockOrder(target=instance(held)), clock.now())
    with refused(Code.INSTANCE_LOCKED):
        renew(service, clock, held)
    operator.locking.unlock(instance(held), clock.now())
    lines = [
        (line["action"], line["outcome"], line.get("reason"), line.get("target"))
        for line in audit_lines(folder)[2:]
    ]
    target = f"instance:{held.instance}"
    assert lines == [
        ("lock", "allow", None, target),
        ("renew", "deny", "instance_locked", None),
        ("unlock", "allow", None, target),
    ]


def test_instances_are_listed_with_the_lock_that_keeps_them_out(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    first = join(service, clock, new_token(service, clock))
    clock.pass_by(timedelta(seconds=1))
    second = join(service, clock, new_token(service, clock, workload="coder"))
    operator.locking.lock(LockOrder(target=BOT), clock.now())
    views = operator.locking.instances(clock.now())
    assert [view.row.instance.id for view in views] == [second.instance, first.instance]
    assert [view.lock and view.lock.target for view in views] == [None, BOT]
    assert [view.row.live_certificates for view in views] == [1, 1]
    clock.pass_by(timedelta(hours=2))
    (row, _) = operator.locking.instances(clock.now())
    assert (row.row.live_certificates, row.row.not_after) == (0, second.not_after)


def test_locks_that_ended_long_ago_are_forgotten(
    service: IssuerService, operator: OpenedIssuer, clock: ManualClock
) -> None:
    operator.locking.lock(LockOrder(target=BOT, ttl=timedelta(hours=1)), clock.now())
    clock.pass_by(timedelta(days=7, hours=2))
    service.prune(clock.now())
    rows = service._store._db.execute("SELECT count(*) FROM locks").fetchone()
    assert rows == (0,)
