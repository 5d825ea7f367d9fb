"""`identity.lock_file`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from identity.lock_file import open_lock_file


def test_it_is_made_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "state" / "one.lock"
    for _ in range(2):
        os.close(open_lock_file(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "one.lock").symlink_to(elsewhere)
    with pytest.raises(OSError, match=r"one\.lock"):
        open_lock_file(tmp_path / "one.lock")
    assert not elsewhere.exists()
