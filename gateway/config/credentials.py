"""Credentials that a table names: by a file, an environment variable or a secret of the project."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.config.addresses import local_path
from gateway.config.headers import secret_name
from gateway.config.model import CredentialRef
from gateway.config.table import Rejected, Table

_ENVIRONMENT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the file is, and whose secrets it may name."""

    base: Path
    project: str

    def path(self, text: str) -> Path:
        """A file's path. Raises `Rejected`."""
        return local_path(text, base=self.base)


def needed_credential(table: Table, place: Place, kinds: tuple[str, ...]) -> CredentialRef:
    """Like `credential_named`, and a problem is noted where there is none."""
    found = credential_named(table, place, kinds)
    keys = [f"{kind}_{where}" for kind in kinds for where in ("file", "env", "secret")]
    if not any(key in table for key in keys):
        table.problem(keys[0], "is missing", f"give this or one of {', '.join(keys[1:])}")
    return found or CredentialRef("file", "")


def credential_named(table: Table, place: Place, kinds: tuple[str, ...]) -> CredentialRef | None:
    """The one credential that a table names, by `KIND_file`, `KIND_env` or `KIND_secret`."""
    readers: dict[str, Callable[[str], CredentialRef]] = {}
    for kind in kinds:
        readers |= {
            f"{kind}_file": lambda text: CredentialRef(
                "file", str(local_path(text, base=place.base))
            ),
            f"{kind}_env": lambda text: CredentialRef("env", environment_name(text)),
            f"{kind}_secret": lambda text: CredentialRef(
                "secret", secret_name(text, project=place.project)
            ),
        }
    given = [name for name in readers if name in table]
    for name in given[1:]:
        what = "credential" if len(kinds) > 1 else kinds[0]
        table.problem(name, f"the {what} is named by {given[0]} already", "keep one of them")
    found = [table.converted(name, read) for name, read in readers.items()]
    return next((ref for ref in found if ref is not None), None)


def environment_name(text: str) -> str:
    """The name of an environment variable. Raises `Rejected`."""
    if not _ENVIRONMENT_NAME.fullmatch(text):
        raise Rejected(
            "is not the name of an environment variable",
            "name the variable that holds the value; the value itself has no place here",
        )
    return text
