"""`identity.secret_stores.vault.marks`."""

from __future__ import annotations

from pathlib import Path

import pytest

from identity.errors import StoreUnavailable
from identity.secret_stores.keychain import Keychain
from identity.secret_stores.keychain_helper import KeychainHelper
from identity.secret_stores.vault.marks import MarkFile, MarkInKeychain
from tests.fakes import keychain_backend


def test_a_file_keeps_the_last_mark_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "vault" / "id.mark"
    keeper = MarkFile(path)
    assert keeper.read() is None
    keeper.write("first")
    keeper.write("second")
    assert (keeper.read() or "").strip() == "second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["id.mark"]


def test_a_file_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "id.mark").mkdir()
    keeper = MarkFile(tmp_path / "id.mark")
    with pytest.raises(StoreUnavailable, match=r"id\.mark can't be read"):
        keeper.read()
    with pytest.raises(StoreUnavailable, match=r"id\.mark can't be written"):
        keeper.write("mark")


def test_the_keychain_keeps_the_last_mark(tmp_path: Path) -> None:
    helper = KeychainHelper({}, command=keychain_backend.command(tmp_path, "plain"))
    keeper = MarkInKeychain(Keychain(helper, area="vault"), b"vault-one")
    assert keeper.read() is None
    keeper.write("first")
    keeper.write("second")
    assert keeper.read() == "second"
    helper.stop()
