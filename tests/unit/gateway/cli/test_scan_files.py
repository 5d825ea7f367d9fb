"""Which files `scan` looks into, by real work trees of git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.cli.scan_files import Files
from tests.components import require_component


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        [require_component("git"), "-C", folder, *words],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree: a tracked file, an untracked one, and three that git ignores."""
    tree = tmp_path / "tree"
    for name in ("tracked", "new", "node_modules/a/b.js", ".env", "src/odd \n name", "src/gone"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("x")
    (tree / ".gitignore").write_text("node_modules\n.env\nbuilt\n")
    git(tmp_path, "init", "-q", "tree")
    git(tree, "add", "tracked", ".gitignore", "src")
    (tree / "src" / "gone").unlink()
    return tree


def names(files: Files, path: Path) -> set[str]:
    found = [file.relative_to(path) for file in files.below(path)]
    assert len(found) == len(set(found))
    return {str(file) for file in found if file.parts[0] != ".git"}


def test_what_git_ignores_is_left_out_and_told(tree: Path) -> None:
    files = Files(everything=False)
    assert names(files, tree) == {"tracked", "new", ".gitignore", "src/odd \n name"}
    assert {Path(place).name for place in files.left_out} == {"node_modules", ".env"}


def test_everything_is_everything(tree: Path) -> None:
    files = Files(everything=True)
    assert names(files, tree) >= {"tracked", "new", ".env", "node_modules/a/b.js"}
    assert files.left_out == []


def test_the_repositorys_own_files_are_looked_into_but_its_objects(tree: Path) -> None:
    found = [str(file.relative_to(tree)) for file in Files(everything=False).below(tree)]
    assert ".git/config" in found
    assert not [name for name in found if name.startswith(".git/objects/")]


def test_what_is_named_is_looked_into_although_git_ignores_it(tree: Path) -> None:
    files = Files(everything=False)
    assert names(files, tree / "node_modules") == {"a/b.js"}
    assert list(files.below(tree / ".env")) == [tree / ".env"]
    assert files.left_out == []


def test_a_folder_of_no_repository_is_walked(tmp_path: Path) -> None:
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "a").touch()
    assert names(Files(everything=False), tmp_path) == {"node_modules/a"}


def test_a_repository_inside_has_its_own_say(tree: Path) -> None:
    (tree / "inner").mkdir()
    (tree / "inner" / ".gitignore").write_text("tracked\n")
    (tree / "inner" / "tracked").touch()
    (tree / "inner" / "seen").touch()
    git(tree / "inner", "init", "-q")
    found = {str(file.relative_to(tree)) for file in Files(everything=False).below(tree)}
    assert "inner/seen" in found
    assert "inner/tracked" not in found


def test_a_hooks_variables_lead_nowhere_else(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    assert ".env" not in names(Files(everything=False), tree)


def test_no_program_that_a_repository_names_is_run(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "hook").chmod(0o755)
    git(tree, "config", "core.fsmonitor", str(tmp_path / "hook"))
    names(Files(everything=False), tree)
    assert not (tmp_path / "ran").exists()
