"""An identity in all respects, and the file of its key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.config.model import FilesSourceConfig, IdentityConfig, SpiffeSourceConfig
from gateway.doctor.case import Held
from gateway.doctor.certificate import examine, key_file, with_lists
from tests.fakes.authority import Authority

pytestmark = pytest.mark.may_block("reads files")

_NOW = datetime.now(UTC)
_AUTHORITY = Authority()
_LEAF = _AUTHORITY.issue("spiffe://acme.example/gw")
_HELD = Held(
    chain_pem=_LEAF.chain_pem.encode(),
    key_pem=_LEAF.key_pem.encode(),
    bundle_pem=_AUTHORITY.pem.encode(),
)
_TABLE = IdentityConfig(sources=(SpiffeSourceConfig(),))


def _results(held: Held, table: IdentityConfig = _TABLE, *, after: float = 0) -> list[str]:
    now = _NOW + timedelta(minutes=after)
    return [item.result for item in examine("default", held, table, now=now)]


def test_all_is_well() -> None:
    assert _results(_HELD) == ["pass"] * 6 + ["skip"]


def test_late_is_a_warning_and_over_a_failure() -> None:
    assert _results(_HELD, after=55).count("warn") == 1
    assert _results(_HELD, after=65).count("fail") == 1


def test_revoked(tmp_path: Path) -> None:
    lists = tmp_path / "crl.pem"
    lists.write_text(_AUTHORITY.crl(_LEAF.serial))
    table = IdentityConfig(sources=(SpiffeSourceConfig(),), crl=lists)
    assert _results(with_lists(_HELD, table), table)[-1] == "fail"


def test_there_is_none() -> None:
    (found,) = examine(
        "default", Held(why_not="it is not asked for"), _TABLE, now=datetime.now(UTC)
    )
    assert (found.result, found.detail) == ("skip", "skipped: because it is not asked for")


def test_files_that_the_source_does_not_take_are_looked_at(tmp_path: Path) -> None:
    files = FilesSourceConfig(
        certificate=tmp_path / "c", private_key=tmp_path / "k", trust_bundle=tmp_path / "b"
    )
    table = IdentityConfig(sources=(files,))
    assert _results(Held(why_not="x"), table) == ["fail", "skip"]
    (tmp_path / "c").write_text(_LEAF.chain_pem)
    (tmp_path / "k").touch(0o600)
    (tmp_path / "k").write_text(_AUTHORITY.issue("spiffe://acme.example/gw").key_pem)
    (tmp_path / "b").write_text(_AUTHORITY.pem)
    now = datetime.now(UTC)
    bad = [item for item in examine("default", Held(why_not="x"), table, now=now) if item.remedy]
    assert [item.detail.partition(":")[0] for item in bad] == ["key"]


@pytest.mark.parametrize(("mode", "result"), [(0o600, "pass"), (0o640, "pass"), (0o604, "fail")])
def test_who_may_read_the_key(tmp_path: Path, mode: int, result: str) -> None:
    key = tmp_path / "key"
    key.touch()
    key.chmod(mode)
    assert key_file(key).result == result
