"""`identity.private_folder`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from identity.private_folder import make_private


@pytest.fixture(autouse=True)
def _a_generous_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_all_that_is_made_is_the_owners_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "state" / "devwiz-gw" / "acme")
    made = ("state", "state/devwiz-gw", "state/devwiz-gw/acme")
    assert [mode(tmp_path / name) for name in made] == [0o700] * 3
    assert mode(tmp_path) == 0o755


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    make_private(tmp_path / "state" / "acme")
    make_private(tmp_path / "state")
    assert mode(tmp_path / "state") == 0o755


def test_a_relative_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_private(Path("one/two"))
    assert mode(tmp_path / "one") == mode(tmp_path / "one" / "two") == 0o700


@pytest.mark.parametrize("inner", ["", "inner"])
def test_a_file_in_its_place(tmp_path: Path, inner: str) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(NotADirectoryError):
        make_private(tmp_path / "state" / inner)


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="state"):
        make_private(tmp_path / "state" / "acme")
