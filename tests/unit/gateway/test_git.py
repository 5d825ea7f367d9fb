"""`gateway.git`, with the real git in repositories that somebody hostile made."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import gateway.git
from gateway.git import Git, find_git
from tests.components import require_component

LISTED = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(
        [require_component("git"), *identity, "-C", folder, *words], check=True, capture_output=True
    )


@pytest.fixture
def ours() -> Git:
    require_component("git")
    found = find_git(os.environ)
    assert found is not None
    return found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "repository").mkdir()
    git(tmp_path, "init", "-q", "repository")
    return tmp_path / "repository"


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves the file `ran` beside it."""
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    trap.chmod(0o755)
    return trap


def test_what_tells_changes_is_not_run(ours: Git, repository: Path, trap: Path) -> None:
    git(repository, "config", "core.fsmonitor", str(trap))
    assert ours.said(repository, *LISTED) == b""
    assert not trap.with_name("ran").exists()


@pytest.mark.parametrize("has_old_git", [False, True])
def test_nothing_missing_is_fetched(
    ours: Git, tmp_path: Path, trap: Path, *, has_old_git: bool
) -> None:
    """A partial clone, in which git wants `.gitignore` to know what is ignored."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    (origin / "folder").mkdir(parents=True)
    (origin / "folder" / ".gitignore").write_text("*.log\n")
    git(tmp_path, "init", "-q", "origin")
    git(origin, "config", "uploadpack.allowFilter", "true")
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "x")
    git(tmp_path, "clone", "-q", "-n", "--filter=blob:none", f"file://{origin}", "clone")
    git(clone, "read-tree", "HEAD")
    git(clone, "update-index", "--skip-worktree", "folder/.gitignore")
    git(clone, "config", "remote.origin.uploadpack", f"{trap}; false")
    git(clone, "config", "protocol.file.allow", "always")
    (clone / "folder").mkdir()
    (clone / "folder" / "x.log").touch()
    names = {"GIT_NO_LAZY_FETCH"} if has_old_git else set()
    env = {name: value for name, value in ours.env.items() if name not in names}
    Git(ours.program, env).said(clone, *LISTED)
    assert not trap.with_name("ran").exists()


def test_a_pipe_in_a_files_place_is_not_waited_for(
    ours: Git, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.git, "_TIMEOUT_S", 0.2)
    os.mkfifo(repository / ".gitignore")
    assert ours.said(repository, *LISTED) is None


def test_a_hooks_variables_lead_nowhere_else(repository: Path, tmp_path: Path) -> None:
    places = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")
    found = find_git(dict(os.environ) | dict.fromkeys(places, str(tmp_path / "elsewhere")))
    assert found is not None
    tree = found.said(repository, "rev-parse", "--show-toplevel")
    assert tree == os.fsencode(repository) + b"\n"


def test_where_there_is_none(tmp_path: Path) -> None:
    assert find_git({"PATH": str(tmp_path)}) is None
