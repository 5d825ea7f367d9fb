"""`gateway.injection.delivery`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.injection.delivery import by_descriptor, by_fifo, by_file, in_environment, serve_fifos

VALUES = {"KEY": "value ü\n", "LONG": "x" * 200_000}


def test_the_environment_has_the_values() -> None:
    assert in_environment(VALUES).env == VALUES


def test_a_descriptor_can_be_read_and_not_written() -> None:
    delivered = by_descriptor(VALUES)
    try:
        for fd, value in zip(delivered.fds, VALUES.values(), strict=True):
            assert os.get_inheritable(fd)
            assert Path(f"/dev/fd/{fd}").read_text() == value
            with pytest.raises(PermissionError):
                os.write(fd, b"x")
    finally:
        for fd in delivered.fds:
            os.close(fd)
    assert delivered.env["KEY_FILE"] == f"/dev/fd/{delivered.fds[0]}"


def test_a_file_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        delivered = by_file(VALUES, tmp_path)
    finally:
        os.umask(before)
    for name, value in VALUES.items():
        path = Path(delivered.env[f"{name}_FILE"])
        assert path.read_text() == value
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_fifo_gives_the_value_to_each_reader(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    delivered = by_fifo(VALUES, folder)
    serve_fifos(VALUES, folder)
    for _ in range(20):
        for name, value in VALUES.items():
            path = Path(delivered.env[f"{name}_FILE"])
            assert stat.S_ISFIFO(path.stat().st_mode)
            assert path.read_text() == value


def test_a_reader_that_goes_away_is_no_obstacle(tmp_path: Path) -> None:
    delivered = by_fifo(VALUES, tmp_path)
    serve_fifos(VALUES, tmp_path)
    path = Path(delivered.env["LONG_FILE"])
    with path.open("rb") as pipe:
        pipe.read(10)
    assert path.read_text() == VALUES["LONG"]
