"""Which files `scan` looks into, by real work trees of git."""

from __future__ import annotations

import hashlib
import struct
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


@pytest.mark.parametrize("has_files", [False, True])
def test_a_submodule_that_isnt_there_is_walked(tree: Path, *, has_files: bool) -> None:
    (tree / "module").mkdir()
    git(tree, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    if has_files:
        (tree / "module" / "seen").touch()
    found = names(Files(everything=False), tree)
    assert found == {"tracked", "new", ".gitignore", "src/odd \n name"} | (
        {"module/seen"} if has_files else set()
    )
    assert names(Files(everything=False), tree / "module") == ({"seen"} if has_files else set())


def test_files_that_git_looks_for_elsewhere_are_looked_into_here(
    tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    git(tree, "config", "core.worktree", str(tmp_path / "elsewhere"))
    assert names(Files(everything=False), tree) >= {"tracked", "new", ".env"}


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", ".", "sub/..", "", "link/inner"])
def test_an_index_leads_nowhere_else(tree: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").touch()
    (tree / "sub").mkdir()
    (tree / "link").symlink_to(tmp_path / "folder")
    (tree / ".git" / "index").write_bytes(index_of(name.encode()))
    files = list(Files(everything=False).below(tree))
    assert tree / "new" in files
    assert all(file.parent.resolve().is_relative_to(tree) for file in files)
    assert not [file for file in files if ".." in file.parts]


def index_of(name: bytes) -> bytes:
    """An index with one file, whose name git itself would refuse: see gitformat-index(5)."""
    entry = struct.pack(">10I", 0, 0, 0, 0, 0, 0, 0o100644, 0, 0, 0) + b"\x11" * 20
    entry += struct.pack(">H", len(name)) + name
    entry += bytes(8 - len(entry) % 8)
    content = b"DIRC" + struct.pack(">II", 2, 1) + entry
    return content + hashlib.sha1(content, usedforsecurity=False).digest()
