"""The issuer's folder: made once, opened often, never half-made."""

from __future__ import annotations

import os
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from certs.errors import InvalidCertificate
from certs.issuer.folder import AlreadyInitialized, init, open_issuer
from certs.issuer.policy import InvalidPolicy
from certs.issuer.service import IssuerService
from certs.issuer.store import StateUnusable
from identity.errors import InvalidSpiffeId
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_private_is_closed_to_others(service: IssuerService, folder: Path) -> None:
    assert mode(folder) == 0o700
    private = ["state.db", "audit.jsonl", "authorities/1/root.key", "authorities/1/issuing.key"]
    assert {name: mode(folder / name) for name in private} == dict.fromkeys(private, 0o600)
    assert all(mode(path) & 0o077 == 0 for path in folder.glob("state.db*"))


def test_a_second_init_changes_nothing(
    service: IssuerService, folder: Path, clock: ManualClock
) -> None:
    before = (folder / "authorities/1/root.crt").read_bytes()
    with pytest.raises(AlreadyInitialized, match=TRUST_DOMAIN):
        init(folder, trust_domain="other.example", now=clock.now())
    assert (folder / "authorities/1/root.crt").read_bytes() == before


def test_an_init_that_was_killed_can_be_run_again(folder: Path, clock: ManualClock) -> None:
    (folder / "authorities/1").mkdir(parents=True)
    folder.chmod(0o700)
    (folder / "authorities/1/root.key").write_bytes(b"half of a k")
    authority = init(folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    opened = open_issuer(folder)
    assert opened.service.authority.pin == authority.pin
    opened.service.close()


def test_an_empty_folder_that_others_could_write_to_is_closed(
    folder: Path, clock: ManualClock
) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    init(folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    assert mode(folder) == 0o700


@pytest.mark.parametrize("others", [0o770, 0o707])
def test_what_others_may_have_laid_down_is_not_used(
    folder: Path, clock: ManualClock, others: int
) -> None:
    """A state of somebody else's could hold tokens, and stay open in their hands."""
    folder.mkdir()
    (folder / "state.db").touch(mode=0o666)
    folder.chmod(others)
    with pytest.raises(StateUnusable, match="others could write"):
        init(folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    assert not (folder / "authorities").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_elses_gets_no_keys(folder: Path, clock: ManualClock) -> None:
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(StateUnusable, match="belongs to user 65534"):
        init(folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    assert not list(folder.iterdir())


def test_a_folder_that_everybody_can_write_to_is_not_opened(
    service: IssuerService, folder: Path
) -> None:
    assert service.trust_domain == TRUST_DOMAIN
    folder.chmod(0o702)
    with pytest.raises(StateUnusable, match="everybody can write") as caught:
        open_issuer(folder)
    assert "chmod 700" in caught.value.hint


def test_the_names_of_the_issuer_are_kept(folder: Path, clock: ManualClock) -> None:
    init(folder, trust_domain=TRUST_DOMAIN, now=clock.now(), dns_names=["Issuer.acme.example"])
    opened = open_issuer(folder)
    assert opened.dns_names == ("issuer.acme.example",)
    opened.service.close()


def test_bad_names_make_no_folder(folder: Path, clock: ManualClock) -> None:
    with pytest.raises(InvalidSpiffeId):
        init(folder, trust_domain="ACME", now=clock.now())
    with pytest.raises(InvalidPolicy):
        init(folder, trust_domain=TRUST_DOMAIN, now=clock.now(), dns_names=["*"])
    assert not folder.exists()


def test_a_folder_that_is_none_says_what_to_run(folder: Path) -> None:
    with pytest.raises(StateUnusable, match="doesn't exist") as caught:
        open_issuer(folder)
    assert "issuer init" in caught.value.hint


def test_a_state_file_alone_is_no_issuer(folder: Path) -> None:
    folder.mkdir()
    (folder / "state.db").touch()
    with pytest.raises(StateUnusable, match="has not been initialized"):
        open_issuer(folder)


def test_damage_is_told(service: IssuerService, folder: Path) -> None:
    service._store.close()
    (folder / "state.db").write_bytes(b"not a database, " * 64)
    with pytest.raises(StateUnusable, match="can't be used"):
        open_issuer(folder)
    service._store._db = sqlite3.connect(":memory:")


def test_a_newer_schema_is_left_alone(service: IssuerService, folder: Path) -> None:
    service._store._db.execute("PRAGMA user_version = 99")
    with pytest.raises(StateUnusable, match="newer program"):
        open_issuer(folder)


def test_a_key_that_others_can_read_is_refused(service: IssuerService, folder: Path) -> None:
    (folder / "authorities/1/issuing.key").chmod(0o640)
    with pytest.raises(InvalidCertificate, match="can be read by others"):
        open_issuer(folder)


def test_files_of_two_authorities_are_not_mixed(
    service: IssuerService, folder: Path, clock: ManualClock, tmp_path: Path
) -> None:
    init(tmp_path / "other", trust_domain=TRUST_DOMAIN, now=clock.now())
    for name, complaint in (("root.crt", "was not signed by"), ("issuing.key", "don't belong")):
        own, foreign = (home / "authorities/1" / name for home in (folder, tmp_path / "other"))
        kept = own.read_bytes()
        own.write_bytes(foreign.read_bytes())
        with pytest.raises(InvalidCertificate, match=complaint):
            open_issuer(folder)
        own.write_bytes(kept)


def test_a_missing_or_torn_file_is_named(service: IssuerService, folder: Path) -> None:
    (folder / "authorities/1/issuing.crt").write_bytes(b"torn")
    with pytest.raises(InvalidCertificate, match=r"issuing\.crt is not a PEM"):
        open_issuer(folder)
    (folder / "authorities/1/issuing.crt").unlink()
    with pytest.raises(InvalidCertificate, match=r"issuing\.crt can't be read"):
        open_issuer(folder)


def test_a_life_out_of_range_is_refused_at_once(service: IssuerService, folder: Path) -> None:
    with pytest.raises(InvalidPolicy, match="out of range"):
        open_issuer(folder, leaf_life=timedelta(seconds=1))
