"""The wheel as somebody installs it: only our packages, and they import from anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"gateway", "identity", "certs"}

IMPORT_ALL = """
import importlib, json
from importlib import metadata
owners = metadata.packages_distributions()
print(json.dumps({
    name: [importlib.import_module(name).__file__, owners[name]]
    for name in ("gateway", "identity", "certs")
}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=ROOT)
    (built,) = out.glob("*.whl")
    return built


def test_wheel_holds_the_three_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_installed_wheel_imports_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    home, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=empty)
    found = json.loads(run(python, "-I", "-c", IMPORT_ALL, cwd=empty))
    assert set(found) == PACKAGES
    for file, owners in found.values():
        assert Path(file).is_relative_to(home)
        assert owners == ["devwiz-gw"]
    assert (home / "bin" / "devwiz-gw").exists()
