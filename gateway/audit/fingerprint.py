"""Which version of a secret it was: a mark in the journal that can't be turned back into a value.

It is keyed, by a key of the project's state folder, so that a journal that was exported tells
nothing of a value even to somebody who can guess it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from gateway.audit.journal import AuditFailed
from identity.private_folder import make_private

_KEY_BYTES: Final = 32
_SHOWN: Final = 12


class Fingerprints:
    """Marks values with the key in `folder`, which is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "fingerprint.key"
        self._key = b""

    def of(self, value: str) -> str:
        """The mark of a value: the same for the same value. Raises `AuditFailed`."""
        if not self._key:
            self._key = self._read()
        mark = hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return mark.hex()[:_SHOWN]

    def _read(self) -> bytes:
        try:
            with contextlib.suppress(FileNotFoundError):
                return self._whole(self._path.read_bytes())
            self._make()
            return self._whole(self._path.read_bytes())
        except OSError as error:
            raise AuditFailed(
                f"the audit journal's key {self._path} can't be read or made: "
                f"{(error.strerror or '').lower()}",
                hint="check the folder's mode and the free space",
            ) from error

    def _whole(self, key: bytes) -> bytes:
        if len(key) != _KEY_BYTES:
            raise AuditFailed(
                f"the key {self._path} is damaged",
                hint="remove it: values that are on record are then not recognised any more",
            )
        return key

    def _make(self) -> None:
        """Two processes that make it at the same time end up with the same one."""
        make_private(self._path.parent)
        fresh = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(fresh, flags, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(fresh, self._path)
        finally:
            fresh.unlink()
