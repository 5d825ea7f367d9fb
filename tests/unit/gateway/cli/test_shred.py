"""`gateway.cli.shred`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.cli.shred import shred


def test_the_content_is_overwritten_before_the_name_is_gone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"canary" * 500_000)
    watching = os.open(path, os.O_RDONLY)
    try:
        shred(path)
        assert not path.exists()
        assert os.fstat(watching).st_size == 0
    finally:
        os.close(watching)


def test_a_link_and_a_file_with_two_names_are_left_alone(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("kept")
    (tmp_path / "link").symlink_to(real)
    os.link(real, tmp_path / "second")
    for path, why in (
        (tmp_path / "link", "symbolic links"),
        (real, "another name"),
        (tmp_path, "directory"),
        (tmp_path / "missing", "No such file"),
    ):
        with pytest.raises(OSError, match=why):
            shred(path)
    assert real.read_text() == "kept"
