"""What a vault's file holds, and the seal by which it is known to be whole and the newest. Pure.

The seal is a MAC over every row and the epoch, a number that grows with each change. A `Mark`, the
epoch and a digest of the rows, is kept outside of the file as well: an older file, put back, is
then seen to be older.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, NamedTuple

from identity.secret_stores.vault.keys import FORMAT, Keys, fields, number

_MARK_PARTS: Final = 4
_MARK_FORM: Final = "1"


class SlotRow(NamedTuple):
    """One way to get at the master key: `wrapped` is that key in a box; `params` is JSON."""

    id: int
    kind: str
    label: str
    created: int
    params: str
    wrapped: bytes


class ProjectRow(NamedTuple):
    """Which configuration files a project's secrets belong to, in a box."""

    project: bytes
    box: bytes


class RecordRow(NamedTuple):
    """One secret: tags to find it by, its name and its value in boxes."""

    project: bytes
    name: bytes
    version: int
    policy: int
    label: bytes
    box: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that the file holds, in the order of the tables' keys."""

    vault_id: bytes
    epoch: int
    seal: bytes
    slots: tuple[SlotRow, ...]
    projects: tuple[ProjectRow, ...]
    records: tuple[RecordRow, ...]

    def root(self) -> bytes:
        """A digest of every row."""
        digest = hashlib.sha256(FORMAT)
        tables = (self.slots, self.projects, self.records)
        for table in tables:
            digest.update(number(len(table)))
            for row in table:
                digest.update(fields(*map(_cell, row)))
        return digest.digest()

    def mark(self) -> Mark:
        """What is kept of this state outside of the file."""
        return Mark(self.epoch, self.root())


class Mark(NamedTuple):
    """A state of the vault: its epoch and the digest of its rows."""

    epoch: int
    root: bytes

    def seal(self, keys: Keys) -> bytes:
        """The seal of the file in this state."""
        return keys.mac(b"seal", number(self.epoch), self.root)

    def text(self, keys: Keys) -> str:
        """The mark as one line, which nobody without the master key can make."""
        mac = keys.mac(b"mark", number(self.epoch), self.root)
        return f"{_MARK_FORM} {self.epoch} {self.root.hex()} {mac.hex()}"


def read_mark(text: str, keys: Keys) -> Mark | None:
    """The mark in a line, or None for a line that was not made with these keys."""
    parts = text.split()
    if len(parts) != _MARK_PARTS or parts[0] != _MARK_FORM:
        return None
    try:
        mark = Mark(int(parts[1]), bytes.fromhex(parts[2]))
        whole = hmac.compare_digest(mark.text(keys), " ".join(parts))
    except (ValueError, OverflowError, TypeError):
        return None
    return mark if whole else None


def is_sealed(contents: Contents, keys: Keys) -> bool:
    """Whether every row is as it was left by somebody with the master key."""
    return hmac.compare_digest(contents.mark().seal(keys), contents.seal)


def is_older(contents: Contents, mark: Mark) -> bool:
    """Whether `mark` was left by a later state, or by another one of the same age."""
    if contents.epoch != mark.epoch:
        return contents.epoch < mark.epoch
    return contents.root() != mark.root


def _cell(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return number(value) if isinstance(value, int) else str(value).encode()
