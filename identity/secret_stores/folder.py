"""Secrets in files: compose `secrets:`, Kubernetes Secret volumes, or put there by hand.

Read only, one file a secret, named like it. The folder belongs to one project, whichever it is:
what is there is what the gateway may read.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from identity.errors import StoreUnavailable
from identity.secret_stores.base import (
    MAX_VALUE_BYTES,
    Secret,
    SecretRef,
    check_project,
    check_value,
    not_set,
)


class SecretFolder:
    """A `BlockingStore` over a folder of files. One line break at a value's end is left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"SecretFolder({self._folder})"

    def get(self, ref: SecretRef) -> Secret:
        """See `SecretStore.get`. A name can't hold a slash, so it can't leave the folder."""
        try:
            with open(self._folder / ref.name, "rb", opener=_open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise not_set(ref, self._by_hand(ref))
                data = file.read(MAX_VALUE_BYTES + 2)
        except (FileNotFoundError, IsADirectoryError):
            if not self._folder.is_dir():
                raise self._absent() from None
            raise not_set(ref, self._by_hand(ref)) from None
        except OSError as error:
            raise StoreUnavailable(
                f"secret {ref} can't be read: {error.strerror}",
                hint=f"look at the owner and mode of {self._folder / ref.name}",
            ) from error
        try:
            value = Secret(data.decode().removesuffix("\n").removesuffix("\r"))
        except UnicodeDecodeError:
            raise StoreUnavailable(
                f"secret {ref} is not text", hint="encode it, say as base64"
            ) from None
        check_value(value)
        return value

    def set(self, ref: SecretRef, value: Secret) -> None:  # noqa: ARG002 - the store's interface
        """Always refused."""
        raise StoreUnavailable(f"secret {ref} can't be set here", hint=self._by_hand(ref))

    def delete(self, ref: SecretRef) -> None:
        """Always refused."""
        raise StoreUnavailable(
            f"secret {ref} can't be removed here",
            hint=f"remove the file {self._folder / ref.name}; where a container engine fills the "
            "folder, do it there",
        )

    def names(self, project: str) -> list[str]:
        """See `SecretStore.names`. Kubernetes' own `..data` entries are no secrets."""
        check_project(project)
        try:
            found = [entry.name for entry in self._folder.iterdir() if entry.is_file()]
        except OSError:
            raise self._absent() from None
        return sorted(name for name in found if not name.startswith("."))

    def close(self) -> None:
        """Nothing is held open."""

    def interrupt(self) -> None:
        """Reading a small local file doesn't wait."""

    def _by_hand(self, ref: SecretRef) -> str:
        return (
            f"put the value into the file {self._folder / ref.name}, mode 0600; where a container "
            "engine fills the folder, do it there"
        )

    def _absent(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"the secret folder {self._folder} is not there",
            hint="make it, mode 0700; in a container mount it: 'secrets:' of the compose service, "
            "or a Secret volume",
        )


def _open_at_once(path: str, flags: int) -> int:
    # A named pipe would be waited for until somebody writes to it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
