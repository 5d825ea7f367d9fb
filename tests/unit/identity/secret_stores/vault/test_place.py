"""`identity.secret_stores.vault.place`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from identity.errors import StoreUnavailable, VaultDamaged, VaultMissing
from identity.secret_stores.vault.place import MAX_FILE_BYTES, Place, check_private, find_place
from tests.fakes.other_user import AS_ROOT, STRANGER


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "vault", tmp_path / "state")
    place.folder.mkdir(mode=0o700)
    place.database.touch(mode=0o600)
    return place


def test_the_users_own_place() -> None:
    assert find_place(None, {"HOME": "/home/u"}) == Place(
        Path("/home/u/.local/share/devwiz-gw/vault"), Path("/home/u/.local/state/devwiz-gw/vault")
    )
    env = {"HOME": "/home/u", "XDG_DATA_HOME": "/data", "XDG_STATE_HOME": "relative"}
    assert find_place(None, env).folder == Path("/data/devwiz-gw/vault")
    assert find_place(None, env).state == Path("/home/u/.local/state/devwiz-gw/vault")
    assert find_place(Path("/there"), env).folder == Path("/there")


def test_a_private_place_is_accepted(place: Place) -> None:
    check_private(place)


def test_what_is_not_there_is_missing(place: Place) -> None:
    place.database.unlink()
    with pytest.raises(VaultMissing, match=r"vault\.db is not there"):
        check_private(place)
    place.folder.rmdir()
    with pytest.raises(VaultMissing) as missing:
        check_private(place)
    assert "vault init" in missing.value.hint


@pytest.mark.parametrize("mode", [0o750, 0o702, 0o777])
def test_a_place_that_is_open_to_others_is_refused(place: Place, mode: int) -> None:
    place.folder.chmod(mode)
    with pytest.raises(StoreUnavailable, match="open to others"):
        check_private(place)
    place.folder.chmod(0o700)
    place.database.chmod(mode & 0o666)
    with pytest.raises(StoreUnavailable, match=f"mode {mode & 0o666:04o}"):
        check_private(place)


def test_links_are_not_followed(place: Place, tmp_path: Path) -> None:
    linked = Place(tmp_path / "linked", place.state)
    linked.folder.symlink_to(place.folder)
    with pytest.raises(StoreUnavailable, match="not a plain folder"):
        check_private(linked)
    real = place.database.rename(tmp_path / "real")
    place.database.symlink_to(real)
    with pytest.raises(StoreUnavailable, match="not a plain file"):
        check_private(place)


def test_a_file_with_a_second_name_is_refused(place: Place, tmp_path: Path) -> None:
    os.link(place.database, tmp_path / "second")
    with pytest.raises(StoreUnavailable, match="another name"):
        check_private(place)


def test_a_giant_file_is_not_read(place: Place) -> None:
    os.truncate(place.database, MAX_FILE_BYTES + 1)
    with pytest.raises(VaultDamaged, match="too large"):
        check_private(place)


@AS_ROOT
def test_another_users_file_is_refused(place: Place) -> None:
    os.chown(place.database, STRANGER, -1)
    with pytest.raises(StoreUnavailable, match="belongs to another user"):
        check_private(place)
