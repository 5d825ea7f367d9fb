"""The images of `compose/`, made without a registry and kept from one run to the next.

Two steps, each in a folder named after what it is made of: a base and wheels by `compose/offline`
(about a minute), and the images by `docker-compose build` (about half a minute). A change of the
code makes only the second one again.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.components import cache_folder, locked
from tests.e2e.compose.project import Project
from tests.engine import Engine

ROOT: Final = Path(__file__).parents[3]
COMPOSE: Final = ROOT / "compose"
BASE: Final = "devwiz-gw-base:local"
NAMES: Final = ("devwiz-gw:local", "devwiz-gw-demo:local", BASE)
_CODE: Final = ("gateway", "identity", "certs")
_FILES: Final = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "requirements.txt")
_REQUIREMENTS: Final = ("requirements-build.txt", "requirements-demo.txt")
#: Why the images could not be made; empty when they were.
failure: list[str] = []


def make_images() -> None:
    """Make the images unless they are there; a failure is kept in `failure`."""
    try:
        with _made():
            pass
    except (OSError, subprocess.SubprocessError, AssertionError) as error:
        said = getattr(error, "stderr", None) or str(error)
        failure[:] = [f"the images can't be made: {said.strip()[-3000:]}"]


def load_images(engine: Engine) -> None:
    """Give the engine the images; another run may have deleted them since they were made."""
    with _made() as images:
        engine.docker("load", "--input", str(images), timeout=150)


@contextmanager
def _made() -> Iterator[Path]:
    """The file of images, which nobody deletes meanwhile."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with locked(cache_folder()):
        offline = _offline()
        images = _images(offline)
        if not images.exists():
            _build(offline, images)
        images.touch()
        yield images


def _offline_folder() -> Path:
    parts = [COMPOSE / "offline", ROOT / "requirements.txt", *(COMPOSE / r for r in _REQUIREMENTS)]
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    return cache_folder() / f"compose-base-{_digest(parts, platform.machine(), release)}"


def _offline() -> Path:
    folder = _offline_folder()
    subprocess.run(
        [COMPOSE / "offline", folder],
        env=os.environ | {"PYTHON": sys.executable},
        check=True,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    return folder


def _images(offline: Path) -> Path:
    code = [file for package in _CODE for file in (ROOT / package).rglob("*.py")]
    parts = [COMPOSE / "Dockerfile", *code, *(ROOT / file for file in _FILES)]
    return cache_folder() / f"compose-images-{_digest(parts, offline.name)}.tar"


def _build(offline: Path, images: Path) -> None:
    with Engine() as engine:
        engine.docker("import", "--change", "ENV LANG=C.UTF-8", str(offline / "base.tar"), BASE)
        tree = engine.folder / "tree"
        copy_tree(tree)
        shutil.copytree(offline / "wheels", tree / "compose" / "wheels", dirs_exist_ok=True)
        project = Project(engine, tree / "compose", "compose.yaml")
        project.prepare()
        project.run("build", timeout=600)
        fresh = images.with_suffix(".new")
        engine.docker("save", "--output", str(fresh), *NAMES)
    fresh.rename(images)
    _forget_old(keep=4)


def copy_tree(tree: Path) -> None:
    """What an image is built from, and the compose files, as a clone has them."""
    left_out = shutil.ignore_patterns("__pycache__", "*.so", "state", "secrets", ".env", "*.whl")
    for folder in (*_CODE, "compose"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=left_out)
    for file in (*_FILES, ".dockerignore"):
        shutil.copy(ROOT / file, tree / file)


def _forget_old(*, keep: int) -> None:
    """A set of images is big, and each change of the code makes another one."""
    found = sorted(
        cache_folder().glob("compose-images-*.tar"), key=lambda file: file.stat().st_mtime
    )
    for file in found[:-keep]:
        file.unlink()


def _digest(files: Iterable[Path], *more: str) -> str:
    digest = hashlib.sha256("\0".join(more).encode())
    for file in sorted(files):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
