"""Rotating a real issuer's authority: files, state and certificates agree at each step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certs import csr, keys
from certs.bundle import TrustBundle
from certs.issuer.authority_rotation import AuthorityRotation, RotationView
from certs.issuer.ca_rotation import InvalidStep, Phase
from certs.issuer.folder import OpenedIssuer, init, open_issuer
from certs.issuer.locking import LockOrder
from certs.issuer.locks import LockKind, Target
from certs.issuer.one_time_tokens import Grant
from certs.issuer.refusal import Code, Refused
from certs.issuer.service import IssuerService
from certs.issuer.signing import Issued
from certs.issuer.store import StateUnusable
from certs.verify import verify_identity
from identity.spiffe import TrustDomain
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock, audit_lines, leaf_der, leaf_of

FORWARD = (Phase.INIT, Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS, Phase.STANDBY)
LIFE = timedelta(hours=1)


@pytest.fixture
def opened(folder: Path, clock: ManualClock) -> Iterator[OpenedIssuer]:
    init(folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    opened = open_issuer(folder, leaf_life=LIFE)
    yield opened
    opened.service.close()


@pytest.fixture
def rotation(opened: OpenedIssuer) -> AuthorityRotation:
    return opened.rotation


@pytest.fixture
def service(opened: OpenedIssuer) -> IssuerService:
    return opened.service


class Workload:
    """Joins, renews, and holds every reply against its bundle."""

    def __init__(self, service: IssuerService, clock: ManualClock) -> None:
        self._service = service
        self._clock = clock
        token = service.make_token(Grant(workload="planner"), clock.now()).text
        self.issued = self._ask(lambda pem: service.join(token, pem, peer="", now=clock.now()))

    def renew(self) -> Issued:
        shown = leaf_der(self.issued)
        self.issued = self._ask(
            lambda pem: self._service.renew(shown, pem, peer="", now=self._clock.now())
        )
        return self.issued

    def _ask(self, call: Callable[[bytes], Issued]) -> Issued:
        key = keys.generate()
        issued = call(csr.build(key))
        check(issued, issued.bundle.pem, self._clock, key)
        self.key = key
        return issued


def check(issued: Issued, bundle_pem: bytes, clock: ManualClock, key: keys.PrivateKey) -> None:
    """The certificate is good by that bundle now."""
    verify_identity(
        key=key,
        chain_pem=issued.chain_pem,
        bundle_pem=bundle_pem,
        spiffe_id=None,
        trust_domain=TrustDomain(TRUST_DOMAIN),
        now=clock.now(),
        min_life=timedelta(0),
        max_life=timedelta(days=2),
    )


def signer(issued: Issued) -> str:
    return str(leaf_of(issued).issuer.rfc4514_string())


def numbers(view: RotationView) -> list[int]:
    return [item.number for item in view.authorities]


def test_a_whole_rotation(
    rotation: AuthorityRotation, service: IssuerService, clock: ManualClock, folder: Path
) -> None:
    workload = Workload(service, clock)
    pins, signers, sequences = [service.authority.pin], [], [service.bundle().sequence]
    for phase in FORWARD:
        clock.pass_by(timedelta(minutes=5))
        before = workload.issued, workload.key
        view = rotation.enter(phase, clock.now())
        sequences.append(view.sequence)
        # What was issued in the phase before is good by the bundle of this one.
        check(before[0], service.bundle().pem, clock, before[1])
        signers.append(signer(workload.renew()))
        pins.append(service.authority.pin)
    assert signers == [
        "CN=acme.example issuing",
        *["CN=acme.example issuing 2"] * 3,
    ]
    assert pins[0] == pins[1] == pins[2] != pins[3] == pins[4]
    assert sequences == sorted(set(sequences))
    phases = [line["phase"] for line in audit_lines(folder) if line["action"] == "rotate"]
    assert phases == [str(phase) for phase in FORWARD]


def test_the_old_authority_goes_when_the_last_of_its_certificates_has_ended(
    rotation: AuthorityRotation, service: IssuerService, clock: ManualClock, folder: Path
) -> None:
    Workload(service, clock)
    for phase in FORWARD:
        rotation.enter(phase, clock.now())
    clock.pass_by(LIFE)
    rotation.tick(clock.now())
    assert numbers(rotation.view(clock.now())) == [1, 2]
    assert (folder / "authorities/1/issuing.key").exists()
    before = service.bundle()
    clock.pass_by(timedelta(minutes=1))
    rotation.tick(clock.now())
    assert numbers(rotation.view(clock.now())) == [2]
    assert service.bundle().sequence == before.sequence + 1
    assert len(TrustBundle.from_pem(service.bundle().pem).authorities) == 1
    assert not (folder / "authorities/1").exists()


@pytest.mark.parametrize("reached", [1, 2, 3], ids=["init", "clients", "servers"])
def test_back_from_every_phase(
    rotation: AuthorityRotation, service: IssuerService, clock: ManualClock, reached: int
) -> None:
    workload, pin = Workload(service, clock), service.authority.pin
    for phase in FORWARD[:reached]:
        rotation.enter(phase, clock.now())
        workload.renew()
    held = workload.issued, workload.key
    rotation.enter(Phase.ROLLBACK, clock.now())
    check(held[0], service.bundle().pem, clock, held[1])
    assert signer(workload.renew()) == "CN=acme.example issuing"
    assert service.authority.pin == pin
    rotation.enter(Phase.STANDBY, clock.now())
    check(held[0], service.bundle().pem, clock, held[1])
    clock.pass_by(LIFE + timedelta(minutes=1))
    rotation.tick(clock.now())
    assert numbers(rotation.view(clock.now())) == [1]


def test_a_step_may_be_repeated(rotation: AuthorityRotation, clock: ManualClock) -> None:
    first = rotation.enter(Phase.INIT, clock.now())
    again = rotation.enter(Phase.INIT, clock.now())
    assert (first.changed, again.changed) == (True, False)
    assert first.rotation == again.rotation


def test_a_wrong_step_changes_nothing(
    rotation: AuthorityRotation, clock: ManualClock, folder: Path
) -> None:
    before, lines = rotation.view(clock.now()), len(audit_lines(folder))
    with pytest.raises(InvalidStep):
        rotation.enter(Phase.UPDATE_SERVERS, clock.now())
    assert rotation.view(clock.now()) == before
    assert len(audit_lines(folder)) == lines


def test_it_goes_on_by_itself(
    rotation: AuthorityRotation, service: IssuerService, clock: ManualClock
) -> None:
    workload = Workload(service, clock)
    rotation.automate(timedelta(minutes=10), clock.now())
    seen = []
    for _ in range(8):
        rotation.tick(clock.now())
        seen.append(rotation.view(clock.now()).rotation.phase)
        workload.renew()
        clock.pass_by(timedelta(minutes=5))
    assert seen == [
        phase
        for phase in (Phase.INIT, Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS, Phase.STANDBY)
        for _ in range(2)
    ]


def test_an_issuer_that_was_down_waits_the_next_grace_period_out(
    rotation: AuthorityRotation, clock: ManualClock
) -> None:
    rotation.automate(timedelta(minutes=10), clock.now())
    clock.pass_by(timedelta(days=1))
    rotation.tick(clock.now())
    rotation.tick(clock.now())
    assert rotation.view(clock.now()).rotation.phase is Phase.UPDATE_CLIENTS


def test_a_rotation_under_way_can_be_left_to_itself(
    rotation: AuthorityRotation, clock: ManualClock
) -> None:
    rotation.enter(Phase.INIT, clock.now())
    assert rotation.automate(timedelta(minutes=1), clock.now()).rotation.phase is Phase.INIT
    clock.pass_by(timedelta(minutes=1))
    rotation.tick(clock.now())
    assert rotation.view(clock.now()).rotation.phase is Phase.UPDATE_CLIENTS


def test_it_counts_who_has_renewed(
    rotation: AuthorityRotation, service: IssuerService, clock: ManualClock
) -> None:
    first, _second = Workload(service, clock), Workload(service, clock)
    clock.pass_by(timedelta(minutes=1))
    rotation.enter(Phase.INIT, clock.now())
    first.renew()
    view = rotation.view(clock.now())
    assert (view.live_instances, view.renewed_instances) == (2, 1)
    clock.pass_by(LIFE)
    assert rotation.view(clock.now()).live_instances == 0


def test_those_that_are_gone_are_not_counted(
    rotation: AuthorityRotation, service: IssuerService, opened: OpenedIssuer, clock: ManualClock
) -> None:
    """One is locked, one asks no more, and its certificate is nearly over."""
    lives, locked, _silent = (Workload(service, clock) for _ in range(3))
    rotation.enter(Phase.INIT, clock.now())
    target = Target(kind=LockKind.INSTANCE, name=locked.issued.instance)
    opened.locking.lock(LockOrder(target=target, message="copied"), clock.now())
    assert rotation.view(clock.now()).live_instances == 2
    clock.pass_by(LIFE * 0.5)
    lives.renew()
    clock.pass_by(LIFE * 0.45)
    assert rotation.view(clock.now()).live_instances == 1


def test_another_process_is_followed(
    rotation: AuthorityRotation, service: IssuerService, clock: ManualClock, folder: Path
) -> None:
    workload = Workload(service, clock)
    for phase in (Phase.INIT, Phase.UPDATE_CLIENTS):
        other = open_issuer(folder)
        other.rotation.enter(phase, clock.now())
        other.service.close()
    assert signer(workload.renew()) == "CN=acme.example issuing 2"
    assert service.authorities.latest.workloads.root.subject.rfc4514_string().endswith("root 2")


def test_renewals_are_pulled_forward(
    rotation: AuthorityRotation, service: IssuerService, clock: ManualClock
) -> None:
    workload = Workload(service, clock)
    usual = service.renew_window(leaf_der(workload.issued), clock.now())
    assert usual == workload.issued.renew_window
    assert usual.start == clock.now() + LIFE / 2
    clock.pass_by(timedelta(minutes=10))
    before = service.bundle()
    rotation.pull_renewals(timedelta(minutes=5), clock.now())
    pulled = service.renew_window(leaf_der(workload.issued), clock.now())
    assert (pulled.start, pulled.end) == (clock.now(), clock.now() + timedelta(minutes=5))
    assert service.bundle().sequence == before.sequence + 1
    clock.pass_by(timedelta(seconds=1))
    assert workload.renew().renew_window.start == clock.now() + LIFE / 2


@pytest.mark.parametrize("within", [timedelta(0), timedelta(days=2)])
def test_a_spread_out_of_range_is_refused(
    rotation: AuthorityRotation, clock: ManualClock, within: timedelta
) -> None:
    with pytest.raises(InvalidStep, match="spread"):
        rotation.pull_renewals(within, clock.now())


def test_a_full_disk_changes_nothing(
    rotation: AuthorityRotation,
    clock: ManualClock,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = rotation.view(clock.now())
    monkeypatch.setattr("certs.issuer.ca.write_atomic", full)
    with pytest.raises(StateUnusable, match="keys of the new authority can't be written"):
        rotation.enter(Phase.INIT, clock.now())
    assert rotation.view(clock.now()) == before


def test_no_step_without_its_audit_line(
    rotation: AuthorityRotation, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise Refused(Code.AUDIT_UNAVAILABLE, "no room")

    before = rotation.view(clock.now())
    monkeypatch.setattr(rotation._audit, "append", failing)
    with pytest.raises(Refused, match="no room"):
        rotation.enter(Phase.INIT, clock.now())
    assert rotation.view(clock.now()) == before


def test_a_state_that_is_busy_is_told(
    rotation: AuthorityRotation, clock: ManualClock, folder: Path
) -> None:
    rotation._store._db.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(folder / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Refused, match="can't be changed now") as caught:
        rotation.enter(Phase.INIT, clock.now())
    assert "nothing was changed" in caught.value.hint
    other.close()


def test_files_of_an_authority_that_never_counted_are_swept(
    rotation: AuthorityRotation, clock: ManualClock, folder: Path
) -> None:
    (folder / "authorities/7").mkdir()
    (folder / "authorities/7/root.key").write_bytes(b"left by a step that was killed")
    rotation.tick(clock.now())
    assert sorted(path.name for path in (folder / "authorities").iterdir()) == ["1"]


def test_a_folder_from_before_rotations_goes_on(
    opened: OpenedIssuer, clock: ManualClock, folder: Path
) -> None:
    opened.service._store._db.execute("DELETE FROM settings WHERE name = 'ca_rotation'")
    old = open_issuer(folder)
    view = old.rotation.view(clock.now())
    assert (view.rotation.phase, numbers(view)) == (Phase.STANDBY, [1])
    assert numbers(old.rotation.enter(Phase.INIT, clock.now())) == [1, 2]
    old.service.close()


def test_roots_have_names_of_their_own(
    rotation: AuthorityRotation, service: IssuerService, clock: ManualClock
) -> None:
    rotation.enter(Phase.INIT, clock.now())
    roots = x509.load_pem_x509_certificates(service.bundle().pem)
    assert [root.subject.rfc4514_string() for root in roots] == [
        "CN=acme.example root",
        "CN=acme.example root 2",
    ]
