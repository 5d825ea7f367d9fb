"""The issuer's key for challenges and join states: a file of its own beside the authorities, whose
keys sign certificates and nothing else. Blocks for the disk.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from certs import keys
from certs.errors import InvalidCertificate
from certs.issuer.state_file import read_private

FILE: Final = "join-state.key"


def load_or_make(folder: Path) -> ec.EllipticCurvePrivateKey:
    """The key of the issuer in `folder`, made at the first time.

    Raises:
        InvalidCertificate: the file holds something else, can't be read, or can by others.
        OSError: it can't be written.
    """
    path = folder / FILE
    if not path.exists():
        _make(path)
    key = keys.from_pem(read_private(path))
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise InvalidCertificate(f"{path} holds a key of another kind", hint="restore the file")
    return key


def _make(path: Path) -> None:
    """Whole or not at all, and never over another process's: a state is good by one key alone."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(keys.to_pem(keys.generate()))
            file.flush()
            os.fsync(fd)
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
