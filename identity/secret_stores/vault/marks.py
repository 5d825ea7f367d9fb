"""The mark of a vault's last state, kept outside of its file."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from identity.atomic_file import write_atomic
from identity.errors import SecretNotFound, StoreUnavailable
from identity.private_folder import make_private
from identity.secret_stores.base import BlockingStore, Secret, SecretRef

_PROJECT: Final = "vault-marks"
_MAX_BYTES: Final = 4096


class MarkKeeper(Protocol):
    """A place for one vault's mark, which whoever puts back an older file doesn't reach."""

    def read(self) -> str | None:
        """The mark, or None when there is none. Raises `StoreUnavailable`."""
        ...

    def write(self, text: str) -> None:
        """Replace the mark, as a whole. Raises `StoreUnavailable`."""
        ...


class MarkFile:
    """A `MarkKeeper` in a file of mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def read(self) -> str | None:
        """See `MarkKeeper.read`."""
        try:
            with self._path.open("rb") as file:
                return file.read(_MAX_BYTES).decode(errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed("read", error) from error

    def write(self, text: str) -> None:
        """See `MarkKeeper.write`."""
        try:
            make_private(self._path.parent)
            write_atomic(self._path, text.encode() + b"\n", 0o600)
        except OSError as error:
            raise self._failed("written", error) from error

    def _failed(self, what: str, error: OSError) -> StoreUnavailable:
        return StoreUnavailable(
            f"the vault's mark {self._path} can't be {what}: {(error.strerror or '').lower()}",
            hint="look at the owner and mode of its folder, and at the free space",
        )


class MarkInKeychain:
    """A `MarkKeeper` in the operating system's keychain, out of reach of a restored disk."""

    def __init__(self, keychain: BlockingStore, vault_id: bytes) -> None:
        self._keychain = keychain
        self._ref = SecretRef(_PROJECT, vault_id.hex())

    def __str__(self) -> str:
        return "the keychain"

    def read(self) -> str | None:
        """See `MarkKeeper.read`."""
        try:
            return self._keychain.get(self._ref).reveal()
        except SecretNotFound:
            return None

    def write(self, text: str) -> None:
        """See `MarkKeeper.write`."""
        self._keychain.set(self._ref, Secret(text))
