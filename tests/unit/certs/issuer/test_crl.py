"""Revocation lists: what they say, who signs them, when they are made anew."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import crypto

from certs import csr, keys
from certs.issuer import ca
from certs.issuer.authorities import authority_folder
from certs.issuer.ca_rotation import Phase
from certs.issuer.folder import OpenedIssuer, open_issuer
from certs.issuer.locking import LockOrder
from certs.issuer.locks import LockKind, Reason, Target
from certs.issuer.signing import Issued
from certs.revocation import RevocationLists, gap, read_lists
from tests.fakes.issuer import ManualClock, leaf_der, leaf_of, make_issuer, new_token

PEER = "192.0.2.7"
BOT = Target(kind=LockKind.BOT, name="planner")
REASONS = x509.ReasonFlags


@pytest.fixture
def issuer(folder: Path, clock: ManualClock) -> OpenedIssuer:
    make_issuer(folder, clock).close()
    return open_issuer(folder)


@pytest.fixture(autouse=True)
def _closed(issuer: OpenedIssuer) -> object:
    yield
    issuer.service.close()


def join(issuer: OpenedIssuer, clock: ManualClock) -> Issued:
    service = issuer.service
    token = new_token(service, clock)
    return service.join(token, csr.build(keys.generate()), peer=PEER, now=clock.now())


def renew(issuer: OpenedIssuer, clock: ManualClock, held: Issued) -> Issued:
    request = csr.build(keys.generate())
    return issuer.service.renew(leaf_der(held), request, peer=PEER, now=clock.now())


def instance(issued: Issued) -> Target:
    return Target(kind=LockKind.INSTANCE, name=issued.instance)


def lists(issuer: OpenedIssuer, clock: ManualClock) -> RevocationLists:
    return read_lists(issuer.service.revocation_lists(clock.now()).pem)


def issuing(issuer: OpenedIssuer, clock: ManualClock) -> x509.CertificateRevocationList:
    return lists(issuer, clock)[-1]


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def named(issuer: OpenedIssuer, clock: ManualClock) -> dict[int, x509.ReasonFlags | None]:
    found = {}
    for entry in issuing(issuer, clock):
        reasons = [item.value for item in entry.extensions]
        found[entry.serial_number] = (
            reasons[0].reason if reasons and isinstance(reasons[0], x509.CRLReason) else None
        )
    return found


def serial(issued: Issued) -> int:
    return leaf_of(issued).serial_number


def openssl_says(issued: Issued, lists: RevocationLists, at: datetime) -> str:
    """What a verifier that wants a list of each authority makes of the chain."""
    leaf, intermediate = x509.load_pem_x509_certificates(issued.chain_pem)
    store = crypto.X509Store()
    flags = crypto.X509StoreFlags
    store.set_flags(flags.CRL_CHECK | flags.CRL_CHECK_ALL | flags.X509_STRICT)
    store.set_time(at)
    for root in x509.load_pem_x509_certificates(issued.bundle.pem):
        store.add_cert(crypto.X509.from_cryptography(root))
    for crl in lists:
        store.add_crl(crl)
    context = crypto.X509StoreContext(
        store,
        crypto.X509.from_cryptography(leaf),
        [crypto.X509.from_cryptography(intermediate)],
    )
    try:
        context.verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)
    return "good"


def test_a_list_has_what_rfc_5280_asks_for(issuer: OpenedIssuer, clock: ManualClock) -> None:
    authority = issuer.service.authorities.read().workloads
    crl = issuing(issuer, clock)
    assert crl.is_signature_valid(authority.issuing.public_key())  # type: ignore[arg-type]
    assert crl.issuer == authority.issuing.subject
    key_id = authority.issuing.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    reference = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert reference.value.key_identifier == key_id.value.digest
    assert not [item for item in crl.extensions if item.critical]
    assert crl.last_update_utc <= clock.now()
    assert crl.next_update_utc == clock.now() + timedelta(hours=50)
    assert number(crl) >= 1


def test_every_authority_of_a_chain_has_a_list_in_force(
    issuer: OpenedIssuer, clock: ManualClock
) -> None:
    held = join(issuer, clock)
    assert openssl_says(held, lists(issuer, clock), clock.now()) == "good"
    clock.pass_by(timedelta(days=1000))
    later = join(issuer, clock)
    assert openssl_says(later, lists(issuer, clock), clock.now()) == "good"
    assert gap(lists(issuer, clock), clock.now()) == ""


def test_a_locked_instances_certificates_are_named_until_the_lock_is_lifted(
    issuer: OpenedIssuer, clock: ManualClock
) -> None:
    held = join(issuer, clock)
    renewed, other = renew(issuer, clock, held), join(issuer, clock)
    before = number(issuing(issuer, clock))
    locked = issuer.locking.lock(LockOrder(target=instance(held)), clock.now())
    assert locked.revoked == 2
    assert named(issuer, clock) == {
        serial(held): REASONS.certificate_hold,
        serial(renewed): REASONS.certificate_hold,
    }
    assert number(issuing(issuer, clock)) > before
    assert "revoked" in openssl_says(renewed, lists(issuer, clock), clock.now())
    assert openssl_says(other, lists(issuer, clock), clock.now()) == "good"
    issuer.locking.unlock(instance(held), clock.now())
    assert named(issuer, clock) == {}


@pytest.mark.parametrize("reason", [item for item in Reason if item is not Reason.HOLD], ids=str)
def test_what_is_taken_back_for_good_stays_so(
    issuer: OpenedIssuer, clock: ManualClock, reason: Reason
) -> None:
    held = join(issuer, clock)
    issuer.locking.lock(LockOrder(target=BOT, revoke=reason), clock.now())
    # A hold that comes later changes nothing about it.
    issuer.locking.lock(LockOrder(target=BOT), clock.now())
    issuer.locking.lock(LockOrder(target=instance(held)), clock.now())
    issuer.locking.unlock(BOT, clock.now())
    issuer.locking.unlock(instance(held), clock.now())
    expected = None if reason is Reason.UNSPECIFIED else getattr(REASONS, reason.value)
    assert named(issuer, clock) == {serial(held): expected}


def test_a_lock_may_leave_certificates_alone(issuer: OpenedIssuer, clock: ManualClock) -> None:
    join(issuer, clock)
    assert issuer.locking.lock(LockOrder(target=BOT, revoke=None), clock.now()).revoked == 0
    assert named(issuer, clock) == {}


def test_a_hold_ends_with_the_time_of_its_lock(issuer: OpenedIssuer, clock: ManualClock) -> None:
    held = join(issuer, clock)
    issuer.locking.lock(LockOrder(target=BOT, ttl=timedelta(minutes=5)), clock.now())
    assert list(named(issuer, clock)) == [serial(held)]
    clock.pass_by(timedelta(minutes=5))
    assert named(issuer, clock) == {}


def test_two_locks_hold_until_both_are_gone(issuer: OpenedIssuer, clock: ManualClock) -> None:
    held = join(issuer, clock)
    issuer.locking.lock(LockOrder(target=BOT), clock.now())
    issuer.locking.lock(LockOrder(target=instance(held)), clock.now())
    issuer.locking.unlock(BOT, clock.now())
    assert list(named(issuer, clock)) == [serial(held)]
    issuer.locking.unlock(instance(held), clock.now())
    assert named(issuer, clock) == {}


def test_an_entry_is_on_one_list_made_after_its_certificates_end(
    issuer: OpenedIssuer, clock: ManualClock
) -> None:
    """RFC 5280 section 3.3; from then on it isn't named any more."""
    held = join(issuer, clock)
    issuer.locking.lock(LockOrder(target=BOT, revoke=Reason.KEY_COMPROMISE), clock.now())
    first = issuing(issuer, clock)
    clock.pass_by(timedelta(hours=2))
    assert issuing(issuer, clock) == first  # nothing has changed since
    clock.pass_by(timedelta(hours=24))
    last = issuing(issuer, clock)
    assert number(last) > number(first)
    assert [entry.serial_number for entry in last] == [serial(held)]
    clock.pass_by(timedelta(hours=26))
    assert named(issuer, clock) == {}


def test_a_list_is_made_anew_long_before_its_end(issuer: OpenedIssuer, clock: ManualClock) -> None:
    first = issuing(issuer, clock)
    clock.pass_by(timedelta(hours=25) - timedelta(seconds=1))
    assert issuing(issuer, clock) == first
    clock.pass_by(timedelta(seconds=1))
    second = issuing(issuer, clock)
    assert number(second) > number(first)
    # Whatever lives now ends before a list that is handed out now.
    assert first.next_update_utc is not None
    assert first.next_update_utc - clock.now() > timedelta(hours=24)


def test_numbers_grow_also_when_the_clock_was_set_back(
    issuer: OpenedIssuer, clock: ManualClock
) -> None:
    clock.pass_by(timedelta(hours=2))
    first = issuing(issuer, clock)
    clock.pass_by(timedelta(hours=-1))
    second = issuing(issuer, clock)
    assert number(second) > number(first)
    assert second.last_update_utc <= clock.now()


def test_a_restarted_issuer_hands_out_the_same_list(
    issuer: OpenedIssuer, clock: ManualClock, folder: Path
) -> None:
    first = issuer.service.revocation_lists(clock.now())
    again = open_issuer(folder)
    try:
        assert again.service.revocation_lists(clock.now()) == first
    finally:
        again.service.close()


def test_a_folder_from_before_there_were_lists_gets_a_roots_list(
    issuer: OpenedIssuer, clock: ManualClock, folder: Path
) -> None:
    path = authority_folder(folder, 1) / "root.crl"
    path.unlink()
    loaded = ca.load(authority_folder(folder, 1))
    (root_list,) = read_lists(loaded.root_crl_pem)
    assert root_list.is_signature_valid(loaded.root.public_key())  # type: ignore[arg-type]
    assert path.read_bytes() == loaded.root_crl_pem


def test_each_authority_of_a_rotation_has_its_list(
    issuer: OpenedIssuer, clock: ManualClock
) -> None:
    old = join(issuer, clock)
    issuer.rotation.enter(Phase.INIT, clock.now())
    assert len(lists(issuer, clock)) == 4
    issuer.rotation.enter(Phase.UPDATE_CLIENTS, clock.now())
    new = join(issuer, clock)
    issuer.locking.lock(LockOrder(target=instance(old)), clock.now())
    found = lists(issuer, clock)
    assert "revoked" in openssl_says(old, found, clock.now())
    assert openssl_says(new, found, clock.now()) == "good"
    by_issuer = {crl.issuer: [entry.serial_number for entry in crl] for crl in found}
    assert by_issuer[leaf_of(old).issuer] == [serial(old)]
    assert by_issuer[leaf_of(new).issuer] == []
