"""The files of an issuer's folder, as they are read. Blocks for the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from certs.errors import InvalidCertificate

_OPEN_TO_OTHERS: Final = 0o077


def read_private(path: Path) -> bytes:
    """A file with a key. Raises `InvalidCertificate`: it can't be read, or others can."""
    data = read(path)
    if path.stat().st_mode & _OPEN_TO_OTHERS:
        raise InvalidCertificate(
            f"{path} can be read by others", hint=f"chmod 600 {path}, and think about who read it"
        )
    return data


def read(path: Path) -> bytes:
    """A file. Raises `InvalidCertificate`: it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidCertificate(
            f"{path} can't be read: {error.strerror}",
            hint="run 'devwiz-gw issuer init' for this folder, or restore it from a backup",
        ) from error
