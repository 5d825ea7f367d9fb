"""Secrets laid out in a keychain's items: addresses, values in shards, the index of names.

A keychain finds items by address and lists none, so each project has an index item with its
names. Order makes every step safe to be cut short: a value is complete before it becomes the
current one, and current before the index names it; it is gone before the index forgets it. What a
crash leaves different between the two is put right by the next `get` of that name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final, Literal, Protocol

from identity.secret_stores import item_codec
from identity.secret_stores.base import SecretRef
from identity.secret_stores.item_codec import Damaged, Encoded, Head, Shards
from identity.strict_json import strict_value

_READ_ATTEMPTS: Final = 3


class ItemsUnavailable(Exception):
    """The keychain did not do what was asked. `reason` is technical and has no part of a value."""

    def __init__(self, code: Literal["locked", "absent", "failed"], reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Items(Protocol):
    """A keychain's items. Each is written whole or not at all. All raise `ItemsUnavailable`."""

    def read(self, address: str) -> str | None:
        """The item's text, or None."""
        ...

    def write(self, address: str, text: str) -> None:
        """Create or replace the item."""
        ...

    def remove(self, address: str) -> None:
        """Remove the item; it may be missing."""
        ...


class WholeItems:
    """Items written whole over a keychain that replaces one by removing it first, as macOS' does
    through keyring: killed in between, it would have lost it.

    The new text is put aside at an address of its own before the old one is touched, and read from
    there while the item itself is missing.
    """

    def __init__(self, items: Items) -> None:
        self._items = items

    def read(self, address: str) -> str | None:
        """See `Items.read`."""
        text = self._items.read(address)
        if text is None:
            text = self._items.read(_aside(address))
        if text is None:
            # Between the two reads a writer may have finished.
            text = self._items.read(address)
        return text

    def write(self, address: str, text: str) -> None:
        """See `Items.write`."""
        if self._items.read(address) is None:
            left = self._items.read(_aside(address))
            if left is None:
                self._items.write(address, text)
                return
            self._items.write(address, left)
        self._items.remove(_aside(address))
        self._items.write(_aside(address), text)
        self._items.write(address, text)
        self._items.remove(_aside(address))

    def remove(self, address: str) -> None:
        """See `Items.remove`. What is aside goes first, or it would come back."""
        self._items.remove(_aside(address))
        self._items.remove(address)


class Addresses:
    """Where things are kept. No two ever share an address.

    All begin with `root`. With `fold_case` the keychain takes "Token" and "token" for the same:
    capitals are marked.
    """

    def __init__(self, root: str, *, fold_case: bool) -> None:
        self._root = root
        self._fold_case = fold_case

    def index(self, project: str) -> str:
        """The item with the names of a project."""
        return f"{self._root}/{project}"

    def binding(self, project: str) -> str:
        """The item with what a project is bound to; no name of a project or secret has a "#"."""
        return f"{self._root}/{project}#bound"

    def value(self, ref: SecretRef) -> str:
        """The item with the value of a secret, or with the head of its shards."""
        name = ref.name
        if self._fold_case:
            name = "".join(f"^{char.lower()}" if char.isupper() else char for char in name)
        return f"{self._root}/{ref.project}/{name}"


class ShardedItems:
    """Values of any length in items of at most `limit` units (None: of any size).

    Not safe against other writers: they are kept out by the caller. Readers may come at any time.
    """

    def __init__(
        self, items: Items, *, limit: int | None, new_generation: Callable[[], str]
    ) -> None:
        self._items = items
        self._limit = limit
        self._new_generation = new_generation

    def read(self, address: str) -> str | None:
        """The value, or None. Raises `Damaged`."""
        item = self._items.read(address)
        for _ in range(_READ_ATTEMPTS):
            content = None if item is None else item_codec.decode(item)
            if not isinstance(content, Head):
                return content
            shards = [self._items.read(part) for part in _parts(address, content.shards)]
            try:
                return item_codec.join(content, shards)
            except Damaged:
                # A writer may have switched generations under us: then there is a new head.
                before, item = item, self._items.read(address)
                if item == before:
                    raise
        raise Damaged("it kept changing while it was read")

    def holds(self, address: str) -> bool:
        """Whether there is anything, whole or not."""
        return self._items.read(address) is not None

    def write(self, address: str, value: str) -> None:
        """Replace the value: all of the new one is there before the head switches to it."""
        old = self._clean(address)
        new = item_codec.encode(value, generation=self._new_generation(), limit=self._limit)
        self._replace(address, new, old)

    def remove(self, address: str) -> bool:
        """Remove the value; False when there is none."""
        old = self._clean(address)
        if self._items.read(address) is None:
            return False
        self._replace(address, None, old)
        return True

    def _replace(self, address: str, new: Encoded | None, old: tuple[Shards, ...]) -> None:
        added = (new.shards,) if new is not None and new.shards is not None else ()
        if added or old:
            self._items.write(_journal(address), item_codec.encode_journal((*added, *old)))
        if new is None:
            self._items.remove(address)
        else:
            for shards in added:
                for part, text in zip(_parts(address, shards), new.parts, strict=True):
                    self._items.write(part, text)
            self._items.write(address, new.head)
        self._remove_shards(address, old)
        if added or old:
            self._items.remove(_journal(address))

    def _clean(self, address: str) -> tuple[Shards, ...]:
        """Remove what a write cut short left behind; the generation in use, if there is one."""
        item = self._items.read(address)
        try:
            content = None if item is None else item_codec.decode(item)
        except Damaged:
            content = None
        used = (content.shards,) if isinstance(content, Head) else ()
        if self._limit is not None:
            pending = item_codec.decode_journal(self._items.read(_journal(address)))
            self._remove_shards(address, (shards for shards in pending if shards not in used))
            if pending:
                self._items.remove(_journal(address))
        return used

    def _remove_shards(self, address: str, generations: Iterable[Shards]) -> None:
        for shards in generations:
            for part in _parts(address, shards):
                self._items.remove(part)


class ItemStore:
    """The secrets of all projects in one keychain.

    `lock()` keeps out every other writer of this user's keychain for as long as it is held; it may
    raise OSError. All methods raise `ItemsUnavailable`, those that read `Damaged` too.
    """

    def __init__(
        self,
        values: ShardedItems,
        addresses: Addresses,
        *,
        lock: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._values = values
        self._addresses = addresses
        self._lock = lock
        self._listed: set[SecretRef] = set()

    def get(self, ref: SecretRef) -> str | None:
        """The value, or None; makes the index agree with what it found."""
        value = self._values.read(self._addresses.value(ref))
        # Once seen in the index, a name is not looked for there at each read.
        if value is None or ref not in self._listed:
            self._heal(ref, present=value is not None)
        return value

    def set(self, ref: SecretRef, value: str) -> None:
        """Create or replace."""
        with self._lock():
            self._values.write(self._addresses.value(ref), value)
            self._list(ref, present=True)

    def delete(self, ref: SecretRef) -> bool:
        """Remove; False when there is no such secret."""
        with self._lock():
            removed = self._values.remove(self._addresses.value(ref))
            self._list(ref, present=False)
        return removed

    def names(self, project: str) -> list[str]:
        """The names in the project's index, sorted."""
        index = self._values.read(self._addresses.index(project))
        return sorted(_names(index))

    def is_kept(self, project: str, ref: SecretRef | None) -> bool:
        """Whether anything is: in the list of names, or at least what `ref` names."""
        if ref is not None and self._values.holds(self._addresses.value(ref)):
            return True
        return self._values.holds(self._addresses.index(project))

    def _heal(self, ref: SecretRef, *, present: bool) -> None:
        try:
            if (ref.name in self.names(ref.project)) == present:
                self._remember(ref, present=present)
                return
            with self._lock():
                found = self._values.read(self._addresses.value(ref)) is not None
                self._list(ref, present=found)
        except (ItemsUnavailable, Damaged, OSError):
            # Reading has succeeded; a list of names that lags is put right another time.
            return

    def _list(self, ref: SecretRef, *, present: bool) -> None:
        """Make the index name `ref`, or not. Call with the lock held."""
        address = self._addresses.index(ref.project)
        try:
            names = _names(self._values.read(address))
        except Damaged:
            names = set()  # reads of the other names list them again
        wanted = names | {ref.name} if present else names - {ref.name}
        if wanted:
            if wanted != names:
                self._values.write(address, json.dumps({"names": sorted(wanted)}))
        elif names:
            self._values.remove(address)
        self._remember(ref, present=present)

    def _remember(self, ref: SecretRef, *, present: bool) -> None:
        if present:
            self._listed.add(ref)
        else:
            self._listed.discard(ref)


def _names(index: str | None) -> set[str]:
    if index is None:
        return set()
    try:
        return {str(name) for name in strict_value(index)["names"]}
    except (ValueError, KeyError, TypeError):
        raise Damaged("the list of names is not readable") from None


def _parts(address: str, shards: Shards) -> list[str]:
    return [f"{address}#{shards.generation}.{index}" for index in range(shards.count)]


def _aside(address: str) -> str:
    return f"{address}#next"


def _journal(address: str) -> str:
    return f"{address}#journal"
