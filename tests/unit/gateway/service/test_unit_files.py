from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.service.unit_files import NotOurs, changes


def ours(data: bytes) -> bool:
    return data.startswith(b"# ours")


def test_files_are_made_changed_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "units"
    (made,) = changes(folder, {"a": b"# ours\n", "b": None}, is_ours=ours)
    assert made.difference()[:2] == ["--- /dev/null", f"+++ {folder / 'a'}"]
    made.apply()
    assert (folder / "a").read_bytes() == b"# ours\n"
    assert changes(folder, {"a": b"# ours\n"}, is_ours=ours) == []
    (changed,) = changes(folder, {"a": b"# ours\nx\n"}, is_ours=ours)
    assert "+x" in changed.difference()
    changed.apply()
    (gone,) = changes(folder, {"a": None}, is_ours=ours)
    gone.apply()
    assert not (folder / "a").exists()


def test_a_file_of_somebody_else_s_is_left_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"[Unit]\n")
    for after in (b"# ours\n", None):
        with pytest.raises(NotOurs, match="wasn't written by this command"):
            changes(tmp_path, {"a": after}, is_ours=ours)
        assert changes(tmp_path, {"a": after}, is_ours=ours, force=True)
    assert changes(tmp_path, {"a": b"[Unit]\n"}, is_ours=ours) == []


def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (change,) = changes(tmp_path / "file", {"a": b"# ours\n"}, is_ours=ours)
    with pytest.raises(GatewayError, match="can't write"):
        change.apply()
