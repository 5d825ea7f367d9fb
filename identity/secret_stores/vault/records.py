"""Secrets as rows, and rows as secrets. Pure: nonces are given.

The name and the value of a row are in boxes bound to the vault, the project, the name, the version
and the policy: a row that is moved to another project, name or version, or whose policy was
changed, opens no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from identity.secret_stores.base import SecretRef
from identity.secret_stores.binding import Binding, read_binding
from identity.secret_stores.vault.contents import ProjectRow, RecordRow
from identity.secret_stores.vault.keys import (
    FORMAT,
    BoxDamaged,
    Keys,
    ProjectKeys,
    close_box,
    fields,
    number,
    open_box,
)

#: A value that whoever has the master key may read.
PLAIN: Final = 0

_LENGTH_BYTES: Final = 4
# Values are padded to a multiple of this, so that the file's size tells little of theirs.
_PAD_BYTES: Final = 256
_LABEL_PAD_BYTES: Final = 128


class UnknownPolicy(Exception):
    """A row asks for something that this version doesn't know; it is not read without it."""


def encode_record(
    keys: Keys,
    ref: SecretRef,
    value: str,
    *,
    version: int,
    nonce: Callable[[], bytes],
    policy: int = PLAIN,
) -> RecordRow:
    """The row of a secret."""
    own = keys.project(ref.project)
    name = own.name_tag(ref.name)
    return RecordRow(
        project=own.tag,
        name=name,
        version=version,
        policy=policy,
        label=close_box(
            own.names,
            _padded(ref.name.encode(), _LABEL_PAD_BYTES),
            _label_purpose(keys, ref.project, name),
            nonce=nonce(),
        ),
        box=close_box(
            own.values,
            _padded(value.encode(), _PAD_BYTES),
            _value_purpose(keys, ref, version, policy),
            nonce=nonce(),
        ),
    )


def find_record(keys: Keys, ref: SecretRef, rows: Sequence[RecordRow]) -> RecordRow | None:
    """The row of a secret, or None."""
    own = keys.project(ref.project)
    wanted = (own.tag, own.name_tag(ref.name))
    return next((row for row in rows if (row.project, row.name) == wanted), None)


def decode_value(keys: Keys, ref: SecretRef, row: RecordRow) -> str:
    """The value in a row. Raises `BoxDamaged` or `UnknownPolicy`."""
    purpose = _value_purpose(keys, ref, row.version, row.policy)
    content = open_box(keys.project(ref.project).values, row.box, purpose)
    if row.policy != PLAIN:
        raise UnknownPolicy
    return _text(content)


def decode_names(keys: Keys, project: str, rows: Sequence[RecordRow]) -> list[str]:
    """The names of a project's secrets, sorted. Raises `BoxDamaged`."""
    own = keys.project(project)
    return sorted(_name(keys, own, project, row) for row in rows if row.project == own.tag)


def _name(keys: Keys, own: ProjectKeys, project: str, row: RecordRow) -> str:
    return _text(open_box(own.names, row.label, _label_purpose(keys, project, row.name)))


def encode_binding(keys: Keys, project: str, binding: Binding, *, nonce: bytes) -> ProjectRow:
    """The row that says what `project` is bound to."""
    own = keys.project(project)
    content = _padded(binding.text(project).encode(), _PAD_BYTES)
    box = close_box(own.names, content, _files_purpose(keys, project), nonce=nonce)
    return ProjectRow(own.tag, box)


def decode_binding(keys: Keys, project: str, rows: Sequence[ProjectRow]) -> Binding | None:
    """What `project` is bound to; None when it has no row. Raises `BoxDamaged` or ValueError."""
    own = keys.project(project)
    for row in rows:
        if row.project == own.tag:
            content = open_box(own.names, row.box, _files_purpose(keys, project))
            return read_binding(_text(content), project)
    return None


def _label_purpose(keys: Keys, project: str, name_tag: bytes) -> bytes:
    return fields(FORMAT, b"name", keys.vault_id, project.encode(), name_tag)


def _files_purpose(keys: Keys, project: str) -> bytes:
    return fields(FORMAT, b"files", keys.vault_id, project.encode())


def _value_purpose(keys: Keys, ref: SecretRef, version: int, policy: int) -> bytes:
    names = (ref.project.encode(), ref.name.encode())
    return fields(FORMAT, b"value", keys.vault_id, *names, number(version), number(policy))


def _padded(content: bytes, size: int) -> bytes:
    whole = len(content).to_bytes(_LENGTH_BYTES, "big") + content
    return whole + bytes(-len(whole) % size)


def _text(padded: bytes) -> str:
    length = int.from_bytes(padded[:_LENGTH_BYTES], "big")
    content = padded[_LENGTH_BYTES : _LENGTH_BYTES + length]
    if len(content) != length:
        raise BoxDamaged
    return content.decode()
