"""The requirement files: complete, pinned by hash, naming no machine, and never a clash."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"
PACKAGES = ("gateway", "identity", "certs")
BOTH = pytest.mark.parametrize("file", [RUNTIME, DEVELOPMENT])
#: Distributions that ship, or could ship, a top-level package with the name of one of ours.
CLASHING = {"certs", "gateway", "identity"}
HASHES = re.compile(r"(--hash=sha256:[0-9a-f]{64} ?)+")


def entries(file: str) -> list[tuple[str, str]]:
    """Each requirement and its hashes."""
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [
        (requirement.strip(), " ".join((mark + hashes).split()))
        for requirement, mark, hashes in (line.partition("--hash") for line in lines)
    ]


def pinned(file: str) -> dict[str, Requirement]:
    found = [Requirement(text) for text, _ in entries(file)]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def declared() -> tuple[list[str], list[str]]:
    """What pyproject.toml asks for: at run time, and for development on top of it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        document = tomllib.load(file)
    groups = [document["dependency-groups"][name] for name in ("build", "test", "lint")]
    extras = document["project"]["optional-dependencies"].values()
    return document["project"]["dependencies"], [
        *(library for extra in extras for library in extra),
        *(tool for group in groups for tool in group),
    ]


def imported(package: str) -> Iterator[str]:
    """The top-level names that a package of ours imports, anywhere in its code."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0]


@BOTH
def test_every_requirement_is_one_version_with_hashes(file: str) -> None:
    assert entries(file)
    for text, hashes in entries(file):
        assert [pin.operator for pin in Requirement(text).specifier] == ["=="], text
        assert HASHES.fullmatch(hashes), text


@BOTH
def test_no_index_option_or_address_is_named(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", text)) == {"--hash"}
    assert "//" not in text


@BOTH
def test_nothing_pinned_ships_a_package_of_ours(file: str) -> None:
    assert CLASHING.isdisjoint(pinned(file))


def test_runtime_and_development_agree() -> None:
    development = pinned(DEVELOPMENT)
    for name, requirement in pinned(RUNTIME).items():
        assert development[name].specifier == requirement.specifier


def test_lock_has_what_the_project_declares() -> None:
    runtime, rest = declared()
    for file, wanted in ((RUNTIME, runtime), (DEVELOPMENT, [*runtime, *rest])):
        locked = pinned(file)
        for requirement in map(Requirement, wanted):
            (pin,) = locked[canonicalize_name(requirement.name)].specifier
            assert requirement.specifier.contains(pin.version), f"{file}: run `make lock`"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_library_imported_is_declared(package: str) -> None:
    # A library that only comes along with another one may leave with it.
    libraries = set(imported(package)) - sys.stdlib_module_names - set(PACKAGES)
    owners = metadata.packages_distributions()
    runtime, rest = declared()
    names = {canonicalize_name(Requirement(text).name) for text in [*runtime, *rest]}
    assert {
        name for name in libraries if canonicalize_name(owners.get(name, [name])[0]) not in names
    } == set()
