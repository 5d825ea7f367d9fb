"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from identity.atomic_file import create_atomic, write_atomic, write_new


@pytest.fixture(params=[0o000, 0o022, 0o277])
def _umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:  # folder first
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_mode_is_exact_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"new", mode)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_replaces_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old, and longer")
    path.chmod(0o666)
    write_atomic(path, b"new", 0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_open_reader_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old", 0o600)
    with path.open("rb") as reader:
        write_atomic(path, b"new", 0o600)
        assert reader.read() == b"old"


def test_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path = tmp_path / "file"
    path.symlink_to(victim)
    write_atomic(path, b"new", 0o600)
    assert victim.read_bytes() == b"precious"
    assert not path.is_symlink()


def test_failure_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "content").touch()
    with pytest.raises(OSError, match="folder"):
        write_atomic(path, b"new", 0o600)
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


def test_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "missing" / "file", b"new", 0o600)


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_new(path, b"first", 0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_new(path, b"second", 0o600)
    dangling = tmp_path / "link"
    dangling.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_new(dangling, b"third", 0o600)
    assert path.read_bytes() == b"first"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_whole_file_is_created_and_nothing_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "not on this file system")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    path, dangling = tmp_path / "file", tmp_path / "link"
    create_atomic(path, b"new", 0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    dangling.symlink_to("nowhere")
    for taken in (path, dangling):
        with pytest.raises(FileExistsError):
            create_atomic(taken, b"other", 0o600)
    assert path.read_bytes() == b"new"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "link"]
