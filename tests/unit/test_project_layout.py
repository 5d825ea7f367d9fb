"""What the tree must look like, whatever is in it."""

from __future__ import annotations

import os
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "identity", "certs")
TOP_LEVEL = {
    *PACKAGES,
    "tests",
    "compose",
    "docs",
    "pyproject.toml",
    "hatch_build.py",
    "requirements.txt",
    "requirements-dev.txt",
    "Makefile",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    ".ci",
    ".dockerignore",
    ".editorconfig",
    ".gitignore",
}


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def test_top_level_names() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    names = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert names - TOP_LEVEL == set()


@pytest.mark.parametrize(
    ("folder", "limit"), [("gateway", 600), ("identity", 600), ("certs", 600), ("tests", 800)]
)
def test_no_file_is_too_long(folder: str, limit: int) -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in python_files(folder)}
    too_long = {str(path): length for path, length in lengths.items() if length > limit}
    assert lengths
    assert too_long == {}


def test_every_test_folder_is_a_package() -> None:
    # Without it `tests/unit/identity` is imported under the name of the package that it tests.
    folders = {
        folder
        for path in python_files("tests")
        for folder in path.parents
        if folder.is_relative_to(ROOT / "tests")
    }
    assert len(folders) > 1
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_typed_and_says_what_it_is(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
    assert (ROOT / package / "__init__.py").read_text(encoding="utf-8").startswith('"""')


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_else_owns_our_package_names(package: str) -> None:
    # An installed `identity` from a public index would overwrite files of ours; see SECURITY.md.
    assert set(metadata.packages_distributions().get(package, [])) <= {"devwiz-gw"}


@pytest.mark.parametrize("script", ["run", "setup", "system-packages"])
def test_ci_scripts_are_executable(script: str) -> None:
    assert os.access(ROOT / ".ci" / script, os.X_OK)
