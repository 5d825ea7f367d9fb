"""Joins, renewals, denials and their audit lines, without HTTP."""

from __future__ import annotations

import os
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certs import csr, keys
from certs.bundle import TrustBundle
from certs.issuer.folder import open_issuer
from certs.issuer.one_time_tokens import Grant
from certs.issuer.policy import InvalidPolicy
from certs.issuer.refusal import Code, Refused
from certs.issuer.service import IssuerService
from certs.issuer.signing import Issued
from certs.names import dns_names, uri_names
from certs.verify import verify_identity
from identity.errors import InvalidSpiffeId
from identity.secret_stores.base import Secret
from identity.spiffe import SpiffeId, TrustDomain
from tests.fakes.issuer import (
    PLANNER,
    TRUST_DOMAIN,
    ManualClock,
    audit_lines,
    leaf_der,
    leaf_of,
    new_token,
)

PEER = "192.0.2.7"


def join(
    service: IssuerService, clock: ManualClock, token: Secret, key: keys.PrivateKey | None = None
) -> Issued:
    request = csr.build(key or keys.generate())
    return service.join(token, request, peer=PEER, now=clock.now())


def renew(
    service: IssuerService, clock: ManualClock, held: Issued, key: keys.PrivateKey | None = None
) -> Issued:
    request = csr.build(key or keys.generate())
    return service.renew(leaf_der(held), request, peer=PEER, now=clock.now())


def refused(code: Code) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda error: error.code is code)


def test_a_join_gives_a_certificate_on_the_tokens_names(
    service: IssuerService, clock: ManualClock
) -> None:
    key = keys.generate()
    token = new_token(service, clock, dns_names=("Planner.acme.example",))
    issued = join(service, clock, token, key)
    identity = verify_identity(
        key=key,
        chain_pem=issued.chain_pem,
        bundle_pem=issued.bundle.pem,
        spiffe_id=SpiffeId.parse(PLANNER),
        trust_domain=TrustDomain(TRUST_DOMAIN),
        now=clock.now(),
        min_life=timedelta(minutes=59),
        max_life=timedelta(minutes=61),
    )
    assert identity.dns_names == ("planner.acme.example",)
    assert (issued.generation, issued.spiffe_id) == (1, PLANNER)


def test_a_token_is_good_once(service: IssuerService, clock: ManualClock) -> None:
    token = new_token(service, clock)
    join(service, clock, token)
    with refused(Code.TOKEN_SPENT):
        join(service, clock, token)


def test_a_token_is_good_as_often_as_it_says(service: IssuerService, clock: ManualClock) -> None:
    token = new_token(service, clock, uses=3)
    instances = {join(service, clock, token).instance for _ in range(3)}
    assert len(instances) == 3
    with refused(Code.TOKEN_SPENT):
        join(service, clock, token)


def test_a_token_ends_on_time(service: IssuerService, clock: ManualClock) -> None:
    token = new_token(service, clock, uses=2, life=timedelta(minutes=5))
    clock.pass_by(timedelta(minutes=5) - timedelta(seconds=1))
    join(service, clock, token)
    clock.pass_by(timedelta(seconds=1))
    with refused(Code.TOKEN_EXPIRED):
        join(service, clock, token)


def test_a_lost_reply_is_given_again_to_the_same_key(
    service: IssuerService, clock: ManualClock
) -> None:
    token, key = new_token(service, clock), keys.generate()
    first = join(service, clock, token, key)
    clock.pass_by(timedelta(minutes=9))
    again = join(service, clock, token, key)
    assert (again.instance, again.generation) == (first.instance, 1)
    renew(service, clock, again)


def test_a_repeated_join_works_after_the_token_and_the_certificate_ended(
    service: IssuerService, clock: ManualClock
) -> None:
    token = new_token(
        service, clock, life=timedelta(seconds=10), max_leaf_life=timedelta(seconds=10)
    )
    key = keys.generate()
    join(service, clock, token, key)
    clock.pass_by(timedelta(minutes=1))
    again = join(service, clock, token, key)
    assert again.not_after > clock.now()


def test_a_repeated_join_ends_with_its_window(service: IssuerService, clock: ManualClock) -> None:
    token, key = new_token(service, clock), keys.generate()
    join(service, clock, token, key)
    clock.pass_by(timedelta(minutes=10, seconds=1))
    with refused(Code.TOKEN_SPENT):
        join(service, clock, token, key)


def test_a_repeated_join_is_refused_once_its_certificate_was_renewed(
    service: IssuerService, clock: ManualClock
) -> None:
    token, key = new_token(service, clock), keys.generate()
    renewed = renew(service, clock, join(service, clock, token, key))
    renew(service, clock, renewed)
    with refused(Code.TOKEN_SPENT):
        join(service, clock, token, key)


@pytest.mark.parametrize("change", ["secret", "id", "form"])
def test_another_token_is_refused_in_the_same_words(
    service: IssuerService, clock: ManualClock, change: str
) -> None:
    text = new_token(service, clock).reveal()
    wrong = {
        "secret": text[:-1] + ("0" if text[-1] != "0" else "1"),
        "id": text.replace(text[5:21], "0" * 16),
        "form": "not a token",
    }[change]
    with pytest.raises(Refused, match="not one of this issuer's") as caught:
        join(service, clock, Secret(wrong))
    assert caught.value.code is Code.TOKEN_INVALID
    join(service, clock, Secret(text))


def test_a_request_may_repeat_its_names(service: IssuerService, clock: ManualClock) -> None:
    token = new_token(service, clock, dns_names=("planner.acme.example",))
    request = csr.build(keys.generate(), spiffe_id=PLANNER, dns_names=["planner.acme.example"])
    assert service.join(token, request, peer=PEER, now=clock.now()).spiffe_id == PLANNER


def test_a_request_for_other_names_is_refused_and_spends_nothing(
    service: IssuerService, clock: ManualClock
) -> None:
    token = new_token(service, clock)
    request = csr.build(keys.generate(), spiffe_id=f"spiffe://{TRUST_DOMAIN}/agent/admin")
    with refused(Code.NAMES_REFUSED):
        service.join(token, request, peer=PEER, now=clock.now())
    join(service, clock, token)


def test_a_request_without_proof_is_refused_and_spends_nothing(
    service: IssuerService, clock: ManualClock
) -> None:
    token = new_token(service, clock)
    with refused(Code.INVALID_CSR):
        service.join(token, b"no request", peer=PEER, now=clock.now())
    join(service, clock, token)


def test_renewal_keeps_the_names_and_raises_the_generation(
    service: IssuerService, clock: ManualClock
) -> None:
    held = join(service, clock, new_token(service, clock, dns_names=("a.example",)))
    for generation in (2, 3, 4):
        held = renew(service, clock, held)
        assert held.generation == generation
    extensions = leaf_of(held).extensions
    assert (uri_names(extensions), dns_names(extensions)) == ((PLANNER,), ("a.example",))


def test_renewal_refuses_other_names(service: IssuerService, clock: ManualClock) -> None:
    held = join(service, clock, new_token(service, clock))
    request = csr.build(keys.generate(), dns_names=["admin.acme.example"])
    with refused(Code.NAMES_REFUSED):
        service.renew(leaf_der(held), request, peer=PEER, now=clock.now())
    renew(service, clock, held)


def test_a_lost_renewal_can_be_repeated_with_or_without_the_key(
    service: IssuerService, clock: ManualClock
) -> None:
    held, key = join(service, clock, new_token(service, clock)), keys.generate()
    renew(service, clock, held, key)
    renew(service, clock, held, key)
    kept = renew(service, clock, held)
    assert renew(service, clock, kept).generation == 3


def test_a_copied_identity_locks_its_instance_and_no_other(
    service: IssuerService, clock: ManualClock
) -> None:
    token = new_token(service, clock, uses=2)
    stolen, other = join(service, clock, token), join(service, clock, token)
    original = renew(service, clock, renew(service, clock, stolen))
    with refused(Code.GENERATION_MISMATCH):
        renew(service, clock, stolen)
    with refused(Code.INSTANCE_LOCKED):
        renew(service, clock, original)
    renew(service, clock, other)


def test_a_lock_is_kept_on_the_disk(
    service: IssuerService, clock: ManualClock, folder: Path
) -> None:
    stolen = join(service, clock, new_token(service, clock))
    original = renew(service, clock, renew(service, clock, stolen))
    with refused(Code.GENERATION_MISMATCH):
        renew(service, clock, stolen)
    again = open_issuer(folder).service
    try:
        with refused(Code.INSTANCE_LOCKED):
            renew(again, clock, original)
    finally:
        again.close()


def test_the_same_key_is_not_renewed(service: IssuerService, clock: ManualClock) -> None:
    key = keys.generate()
    held = join(service, clock, new_token(service, clock), key)
    with refused(Code.KEY_REUSED):
        renew(service, clock, held, key)
    renew(service, clock, held)


def test_an_expired_certificate_doesnt_renew(service: IssuerService, clock: ManualClock) -> None:
    held = join(service, clock, new_token(service, clock))
    clock.pass_by(timedelta(hours=1))
    with refused(Code.CERTIFICATE_EXPIRED):
        renew(service, clock, held)


def test_a_certificate_of_another_issuer_doesnt_renew(
    service: IssuerService, clock: ManualClock, tmp_path: Path
) -> None:
    from tests.fakes.issuer import make_issuer

    other = make_issuer(tmp_path / "other", clock)
    foreign = join(other, clock, new_token(other, clock))
    other.close()
    with refused(Code.CERTIFICATE_UNKNOWN):
        renew(service, clock, foreign)


def test_a_tokens_cap_shortens_the_certificates(service: IssuerService, clock: ManualClock) -> None:
    token = new_token(service, clock, max_leaf_life=timedelta(minutes=10))
    held = join(service, clock, token)
    assert held.not_after == clock.now() + timedelta(minutes=10)
    assert renew(service, clock, held).not_after == clock.now() + timedelta(minutes=10)


def test_an_authority_about_to_end_issues_nothing(
    service: IssuerService, clock: ManualClock
) -> None:
    clock.time = service.authority.end - timedelta(seconds=4)
    with refused(Code.AUTHORITY_EXPIRED):
        join(service, clock, new_token(service, clock))


@pytest.mark.parametrize(
    "grant",
    [
        {"workload": "Planner"},
        {"workload": "planner", "life": timedelta(0)},
        {"workload": "planner", "life": timedelta(days=366)},
        {"workload": "planner", "uses": 0},
        {"workload": "planner", "path": "/devwiz-gw/issuer"},
        {"workload": "planner", "dns_names": ("*.acme.example",)},
    ],
    ids=str,
)
def test_an_operators_impossible_wish_is_refused(
    service: IssuerService, clock: ManualClock, grant: dict[str, object]
) -> None:
    with pytest.raises(InvalidPolicy):
        service.make_token(Grant(**grant), clock.now())  # type: ignore[arg-type]


def test_a_path_outside_the_grammar_is_refused(service: IssuerService, clock: ManualClock) -> None:
    with pytest.raises(InvalidSpiffeId):
        new_token(service, clock, path="/agent/../admin")


def test_only_the_digest_of_a_token_is_kept(
    service: IssuerService, clock: ManualClock, folder: Path
) -> None:
    token = new_token(service, clock).reveal()
    secret = token.rsplit("_", 1)[1]
    kept = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert secret.encode() not in kept
    assert bytes.fromhex(secret) not in kept


def test_each_issue_and_denial_has_its_audit_line(
    service: IssuerService, clock: ManualClock, folder: Path
) -> None:
    token = new_token(service, clock)
    held = join(service, clock, token)
    with refused(Code.TOKEN_SPENT):
        join(service, clock, token)
    renewed = renew(service, clock, held)
    lines = audit_lines(folder)
    assert [(line["action"], line["outcome"], line.get("reason")) for line in lines] == [
        ("token", "allow", None),
        ("join", "allow", None),
        ("join", "deny", "token_spent"),
        ("renew", "allow", None),
    ]
    assert lines[3] == {
        "time": clock.now().isoformat(timespec="milliseconds"),
        "action": "renew",
        "outcome": "allow",
        "peer": PEER,
        "instance": held.instance,
        "spiffe_id": PLANNER,
        "serial": f"{leaf_of(renewed).serial_number:x}",
        "generation": 2,
    }
    assert lines[1]["token_id"] in token.reveal()
    assert token.reveal().rsplit("_", 1)[1] not in (folder / "audit.jsonl").read_text()


def test_nothing_is_released_when_the_audit_line_cant_be_written(
    service: IssuerService, clock: ManualClock, folder: Path
) -> None:
    token, key = new_token(service, clock), keys.generate()
    audit = service._audit
    full = os.open("/dev/full", os.O_WRONLY)
    kept, audit._fd = audit._fd, full
    with refused(Code.AUDIT_UNAVAILABLE):
        join(service, clock, token, key)
    audit._fd = kept
    os.close(full)
    assert join(service, clock, token, key).generation == 1
    assert audit_lines(folder)[-1]["outcome"] == "allow"


def test_a_failing_disk_is_told_and_audited(
    service: IssuerService, clock: ManualClock, folder: Path
) -> None:
    token = new_token(service, clock)
    other = sqlite3.connect(folder / "state.db")
    other.execute("DROP TABLE joins")
    other.close()
    with refused(Code.STATE_UNAVAILABLE):
        join(service, clock, token)
    assert audit_lines(folder)[-1]["outcome"] == "error"


def test_the_bundle_holds_the_root(service: IssuerService) -> None:
    bundle = service.bundle()
    assert TrustBundle.from_pem(bundle.pem).authorities == (service.authority.root,)
    assert bundle.sequence == 1


def test_pruning_forgets_what_ended_a_week_ago(
    service: IssuerService, clock: ManualClock, folder: Path
) -> None:
    held = join(service, clock, new_token(service, clock))
    clock.pass_by(timedelta(days=7))
    service.prune(clock.now())
    with refused(Code.CERTIFICATE_EXPIRED):
        renew(service, clock, held)
    clock.pass_by(timedelta(hours=2))
    service.prune(clock.now())
    with refused(Code.CERTIFICATE_UNKNOWN):
        renew(service, clock, held)
    rows = sqlite3.connect(folder / "state.db")
    counts = [
        rows.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        for table in ("certificates", "tokens", "joins", "instances", "locks")
    ]
    rows.close()
    assert counts == [0, 0, 0, 0, 0]


def test_a_clock_that_was_years_ahead_for_an_hour_has_nobody_forgotten(
    service: IssuerService, clock: ManualClock
) -> None:
    held = join(service, clock, new_token(service, clock))
    service.prune(clock.now())
    years = timedelta(days=3650)
    clock.pass_by(years)
    service.prune(clock.now())
    clock.pass_by(-years)
    service.prune(clock.now())
    assert renew(service, clock, held).generation == 2


def test_serial_numbers_are_random(service: IssuerService, clock: ManualClock) -> None:
    token = new_token(service, clock, uses=5)
    leaves: list[x509.Certificate] = [leaf_of(join(service, clock, token)) for _ in range(5)]
    assert len({leaf.serial_number for leaf in leaves}) == 5
    assert all(leaf.serial_number.bit_length() > 100 for leaf in leaves)
