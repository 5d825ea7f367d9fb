"""`certs.issuer.joins.signing_key`."""

from __future__ import annotations

from pathlib import Path

import pytest

from certs import keys
from certs.errors import InvalidCertificate
from certs.issuer.joins.signing_key import FILE, load_or_make


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first, again = load_or_make(tmp_path), load_or_make(tmp_path)
    assert first.private_numbers() == again.private_numbers()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_one_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_or_make(tmp_path)
    (tmp_path / FILE).chmod(mode)
    with pytest.raises(InvalidCertificate, match="can be read by others"):
        load_or_make(tmp_path)


def test_a_link_to_one_that_others_can_read_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "kept.pem"
    kept.write_bytes(keys.to_pem(keys.generate()))
    kept.chmod(0o644)
    (tmp_path / FILE).symlink_to(kept)
    with pytest.raises(InvalidCertificate, match="can be read by others"):
        load_or_make(tmp_path)


def test_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("no key")
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(InvalidCertificate):
        load_or_make(tmp_path)
