"""What an installation leaves behind: what it found and what it wrote, so that it can be undone and
nothing else is. Pure.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from gateway.clients.files.base import (
    Entry,
    FileFormat,
    NotEditable,
    Spot,
    entry_at,
    with_entry,
    without_entry,
)

_KEYS: Final = {
    "whole": str,
    "entry": str,
    "made_container": bool,
    "found": bool,
    "made_folders": int,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Of one entry.

    Attributes:
        whole: digest of the text that was written.
        entry: digest of the entry in it.
        made_container: whether the entry's container was made with it.
        found: whether there was a file before; a copy of it is kept beside the receipt.
        made_folders: how many folders were made for it.
    """

    whole: str
    entry: str
    made_container: bool
    found: bool
    made_folders: int

    def encoded(self) -> bytes:
        """For a file."""
        return json.dumps({key: getattr(self, key) for key in _KEYS}).encode()


def decoded(data: bytes) -> Receipt | None:
    """Of what `encoded` made; None of anything else."""
    try:
        value: Any = json.loads(data)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    if any(not isinstance(value.get(key), kind) for key, kind in _KEYS.items()):
        return None
    return Receipt(**{key: value[key] for key in _KEYS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A receipt, and the text that the file had before (None: there was no file)."""

    receipt: Receipt
    original: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be done with a file: `after` is its text then, None for no file. `kept` is what is
    to be remembered from then on, `folders` how many empty ones can go with the file.
    """

    after: str | None
    kept: Kept | None
    folders: int = 0


def installed(
    form: FileFormat,
    text: str | None,
    spot: Spot,
    entry: Entry,
    kept: Kept | None,
    *,
    missing_folders: int,
    force: bool,
) -> Change:
    """The change that puts an entry into a file. Raises `NotEditable`."""
    now = entry_at(form, text or "", spot)
    if now == entry:
        return Change(after=text, kept=kept)
    original = text
    if kept is not None and now is not None and digest_of(now) == kept.receipt.entry:
        undone = removed(form, text, spot, kept, force=False)
        original, missing_folders = undone.after, undone.folders
    elif now is not None and not force:
        raise NotEditable(
            f"{spot.container}.{spot.name} is there already, and not from here",
            hint="--name chooses another name, --force replaces it, and remove brings it back",
        )
    after = with_entry(form, text or "", spot, entry)
    receipt = Receipt(
        whole=digest(after),
        entry=digest_of(entry),
        made_container=spot.container not in form.read(original or ""),
        found=original is not None,
        made_folders=missing_folders,
    )
    return Change(after=after, kept=Kept(receipt=receipt, original=original))


def removed(
    form: FileFormat, text: str | None, spot: Spot, kept: Kept | None, *, force: bool
) -> Change:
    """The change that undoes an installation: the very file that there was, unless somebody else
    has changed it since; then only the entry goes, or becomes the one that it took the place of.
    Raises `NotEditable`.
    """
    folders = kept.receipt.made_folders if kept else 0
    if kept is not None and text is not None and digest(text) == kept.receipt.whole:
        return Change(after=kept.original, kept=None, folders=folders)
    now = entry_at(form, text or "", spot)
    if text is None or now is None:
        return Change(after=text, kept=None)
    if not force and (kept is None or digest_of(now) != kept.receipt.entry):
        why = "is not from here" if kept is None else "was changed since it was put there"
        raise NotEditable(
            f"{spot.container}.{spot.name} {why}", hint="--force takes it away nevertheless"
        )
    former = entry_at(form, kept.original or "", spot) if kept else None
    if former is not None:
        return Change(after=with_entry(form, text, spot, former), kept=None)
    made = kept is not None and kept.receipt.made_container
    rest = without_entry(form, text, spot, container_too=made)
    if kept is not None and not kept.receipt.found and not form.read(rest):
        return Change(after=None, kept=None, folders=folders)
    return Change(after=rest, kept=None)


def digest(text: str) -> str:
    """Names a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(entry: Entry) -> str:
    """Names an entry, whatever the order and the layout."""
    return digest(json.dumps(entry, sort_keys=True, default=str))
