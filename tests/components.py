"""The real programs that some tests run against, and what happens where one is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

SYSTEM_PACKAGES = Path(__file__).with_name("system-packages.txt")


def require_component(program: str) -> str:
    """The path of `program`; without it the test skips, or fails where `CI` is set.

    `program` must be listed in tests/system-packages.txt, so that `make test` can install it.
    """
    package = system_packages()[program]
    path = shutil.which(program)
    if path is not None:
        return path
    reason = f"{program} is not installed (Debian package {package})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def system_packages() -> dict[str, str]:
    """Program → the Debian package that brings it."""
    package_of = {}
    for line in SYSTEM_PACKAGES.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            package, *programs = line.split()
            package_of.update(dict.fromkeys(programs, package))
    return package_of
