"""`gateway.injection.git_exclude`, with the real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gateway.injection.git_exclude import NotKeptOut, keep_out
from tests.components import require_component

ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [require_component("git"), "-c", "user.name=t", "-c", "user.email=t@example.com", *words],
        cwd=folder,
        env=ENV,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    return tmp_path


@pytest.mark.parametrize("below", [".", "sub", "a [b]* c"])
def test_a_file_is_ignored_where_it_is_and_nowhere_else(repository: Path, below: str) -> None:
    exclude = repository / ".git" / "info" / "exclude"
    exclude.write_text("*.log")
    folder = repository / below
    folder.mkdir(exist_ok=True)
    for _ in range(2):
        keep_out(folder / ".envrc", ENV)
    (folder / ".envrc").touch()
    (repository / "elsewhere").mkdir()
    (repository / "elsewhere" / ".envrc").touch()
    status = git(repository, "status", "--porcelain", "-uall")
    assert status == "?? elsewhere/.envrc\n"
    assert exclude.read_text().splitlines()[0] == "*.log"
    assert len(exclude.read_text().splitlines()) == 2


def test_a_work_tree_of_its_own(repository: Path, tmp_path: Path) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-m", "x")
    git(repository, "worktree", "add", "-q", "tree")
    keep_out(repository / "tree" / ".envrc", ENV | {"GIT_DIR": "/nowhere"})
    (repository / "tree" / ".envrc").touch()
    assert git(repository / "tree", "status", "--porcelain") == ""


def test_what_git_has_cant_be_kept_out(repository: Path) -> None:
    (repository / ".envrc").touch()
    git(repository, "add", ".envrc")
    with pytest.raises(NotKeptOut, match="among its files"):
        keep_out(repository / ".envrc", ENV)


def test_outside_of_a_repository_there_is_nothing_to_do(tmp_path: Path) -> None:
    keep_out(tmp_path / ".envrc", ENV | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
    keep_out(tmp_path / ".envrc", {"PATH": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_through_a_link_or_into_a_pipe(repository: Path, tmp_path: Path) -> None:
    exclude = repository / ".git" / "info" / "exclude"
    profile = tmp_path / "profile"
    profile.write_text("kept\n")
    exclude.unlink()
    exclude.symlink_to(profile)
    with pytest.raises(NotKeptOut, match="can't be written"):
        keep_out(repository / ".envrc", ENV)
    assert profile.read_text() == "kept\n"
    exclude.unlink()
    os.mkfifo(exclude)
    with pytest.raises(NotKeptOut, match="not a plain file"):
        keep_out(repository / ".envrc", ENV)


def test_a_folders_name_adds_no_lines(repository: Path) -> None:
    folder = repository / "a\n*"
    folder.mkdir()
    with pytest.raises(NotKeptOut, match="several lines"):
        keep_out(folder / ".envrc", ENV)
    assert "*" not in (repository / ".git" / "info" / "exclude").read_text().splitlines()
