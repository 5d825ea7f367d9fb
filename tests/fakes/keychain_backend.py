"""Keychains that live in a folder, with the limits of real ones; run as a helper process.

    python -m tests.fakes.keychain_backend FOLDER {plain|windows|macos}

What is recorded of Windows (Credential Manager through keyring 25): a blob holds 2560 bytes of
UTF-16, beyond that CredWrite fails with error 1783; target names are compared without case; a
leading byte order mark is eaten on reading; a second user name under one service moves the first
away.

And of macOS: through keyring an item is replaced by removing it and adding another; whether the
keychain is locked can't be told without asking; a refusal is `KeyringLocked`.

Files in FOLDER steer it: `hang` makes each call wait for ever, `lock` makes it locked, and
`die-after-N` ends the process after N writes or removals.
"""

from __future__ import annotations

import base64
import os
import sys
import time
from pathlib import Path

from keyring.errors import KeyringLocked, PasswordDeleteError

from identity.secret_stores.keychain_process import Backend, State, serve

WINDOWS_BLOB_BYTES = 2560


class FolderKeyring:
    """One file per item."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writes = 0

    def get_password(self, service: str, username: str) -> str | None:
        self._hang()
        path = self.path(service)
        return path.read_bytes().decode() if path.exists() else None

    def set_password(self, service: str, username: str, password: str) -> None:
        self._hang()
        self._die()
        path = self.path(service)
        path.with_suffix(".new").write_bytes(password.encode())
        path.with_suffix(".new").replace(path)

    def delete_password(self, service: str, username: str) -> None:
        self._hang()
        self._die()
        self.path(service).unlink()

    def state(self) -> State:
        return "locked" if (self.folder / "lock").exists() else "open"

    def path(self, service: str) -> Path:
        """The file of an item: its service name, in letters that any file system keeps."""
        return self.folder / f"{base64.b32encode(service.encode()).decode().rstrip('=')}.item"

    def _hang(self) -> None:
        while (self.folder / "hang").exists():
            time.sleep(0.02)

    def _die(self) -> None:
        for path in self.folder.glob("die-after-*"):
            if self._writes == int(path.name.rpartition("-")[2]):
                path.unlink()
                os._exit(9)
        self._writes += 1


class CredentialError(Exception):
    """What Windows' own library raises: no `KeyringError`."""


class WindowsKeyring(FolderKeyring):
    """The quirks of Credential Manager."""

    def path(self, service: str) -> Path:
        return super().path(service.lower())

    def get_password(self, service: str, username: str) -> str | None:
        text = super().get_password(service, username)
        return text if text is None else text.encode("utf-16-le").decode("utf-16")

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16-le")) > WINDOWS_BLOB_BYTES:
            raise CredentialError(1783, "CredWrite", "The stub received bad data")
        super().set_password(service, username, password)


class MacKeyring(FolderKeyring):
    """The quirks of macOS' keychain."""

    def get_password(self, service: str, username: str) -> str | None:
        self._check_allowed()
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check_allowed()
        if self.path(service).exists():
            super().delete_password(service, username)
        super().set_password(service, username, password)

    def delete_password(self, service: str, username: str) -> None:
        self._check_allowed()
        if not self.path(service).exists():
            raise PasswordDeleteError("Can't delete password in keychain: (-25300)")
        super().delete_password(service, username)

    def _check_allowed(self) -> None:
        if (self.folder / "lock").exists():
            raise KeyringLocked("Can't get password from keychain: (-128)")


def backend(folder: Path, kind: str) -> Backend:
    """The fake as the helper process uses it."""
    if kind == "windows":
        windows = WindowsKeyring(folder)
        return Backend(keyring=windows, state=windows.state, limit=1000, fold_case=True)
    if kind == "macos":
        return Backend(keyring=MacKeyring(folder), removes_first=True)
    plain = FolderKeyring(folder)
    return Backend(keyring=plain, state=plain.state)


def command(folder: Path, kind: str) -> tuple[str, ...]:
    """The helper process's command line for a `KeychainHelper`."""
    return (sys.executable, "-m", "tests.fakes.keychain_backend", str(folder), kind)


if __name__ == "__main__":
    chosen = Path(sys.argv[1])
    serve(lambda: backend(chosen, sys.argv[2]), lock_file=chosen / "writer.lock")
