"""Asking direnv to load an `.envrc`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gateway.errors import GatewayError


class DirenvMissing(GatewayError):
    """direnv isn't installed, or doesn't or shouldn't do what it is asked."""


def find_direnv(env: Mapping[str, str]) -> str:
    """Its path. Raises `DirenvMissing`."""
    path = shutil.which("direnv", path=env.get("PATH"))
    if path is None:
        raise DirenvMissing(
            "direnv is not installed",
            hint="install it and its hook in your shell (direnv.net); 'devwiz-gw run' needs none",
        )
    return path


def check_folder(folder: Path) -> None:
    """Raise `DirenvMissing` for a folder in which direnv can't load: up to 2.32 at least, it puts
    the path between double quotes of a command of bash.
    """
    if found := sorted(set(str(folder)) & set('"$`\\\n')):
        raise DirenvMissing(
            f"{folder} has characters that direnv would read as commands: {' '.join(found)}",
            hint="rename the folder; 'devwiz-gw run' works there",
        )


def allow(direnv: str, envrc: Path, env: Mapping[str, str]) -> None:
    """Approve the file as it is now. Raises `DirenvMissing`."""
    done = subprocess.run(  # noqa: S603 - direnv, as found in PATH
        [direnv, "allow", str(envrc)],
        env=dict(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise DirenvMissing(
            f"direnv doesn't allow {envrc}: {said[-1] if said else 'no reason'}",
            hint="'direnv status' tells more; 'devwiz-gw run' needs no direnv",
        )


def approval(envrc: Path, text: str, env: Mapping[str, str]) -> Path:
    """direnv's note that the file with this text is approved: a hash of path and text. It doesn't
    remove it with the file.
    """
    data = env.get("XDG_DATA_HOME", "")
    home = Path(env.get("HOME") or Path.home())
    base = Path(data) if Path(data).is_absolute() else home / ".local" / "share"
    digest = hashlib.sha256(f"{envrc}\n{text}".encode()).hexdigest()
    return base / "direnv" / "allow" / digest
