"""`identity.secret_stores.keychain_items`: every write cut short at every step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import count

import pytest

from identity.secret_stores.base import SecretRef
from identity.secret_stores.item_codec import Damaged
from identity.secret_stores.keychain_items import (
    Addresses,
    ItemStore,
    ItemsUnavailable,
    ShardedItems,
    WholeItems,
)

TOKEN = SecretRef("acme", "token")
SHORT, LONG, OTHER = "short", "long" * 60, "other" * 90
LIMIT = 60


class CutShort(BaseException):
    """The process dies here."""


class DictItems:
    """Items in a dictionary, that lets the process die after so many changes."""

    def __init__(self) -> None:
        self.items: dict[str, str] = {}
        self.changes_left: int | None = None
        self.before_read: Callable[[str], None] = lambda _address: None

    def read(self, address: str) -> str | None:
        self.before_read(address)
        return self.items.get(address)

    def write(self, address: str, text: str) -> None:
        self._count()
        self.items[address] = text

    def remove(self, address: str) -> None:
        self._count()
        self.items.pop(address, None)

    def _count(self) -> None:
        if self.changes_left is not None:
            if self.changes_left == 0:
                raise CutShort
            self.changes_left -= 1


class RemovingItems(DictItems):
    """Replaces an item by removing it first, and may die in between."""

    def write(self, address: str, text: str) -> None:
        if address in self.items:
            self.remove(address)
        super().write(address, text)


def store_over(items: DictItems, *, limit: int | None = LIMIT) -> ItemStore:
    """As a new process would open it."""
    numbers = count()
    prefix = len(items.items)
    values = ShardedItems(
        WholeItems(items) if isinstance(items, RemovingItems) else items,
        limit=limit,
        new_generation=lambda: f"{id(numbers):x}{prefix:x}{next(numbers):x}",
    )
    return ItemStore(values, Addresses("devwiz-gw", fold_case=False), lock=nullcontext)


@pytest.mark.parametrize("kind", [DictItems, RemovingItems])
@pytest.mark.parametrize("limit", [LIMIT, None])
@pytest.mark.parametrize("old", [None, SHORT, LONG])
@pytest.mark.parametrize("new", [SHORT + "!", OTHER])
def test_a_set_cut_short_leaves_the_old_or_the_new(
    kind: type[DictItems], limit: int | None, old: str | None, new: str
) -> None:
    for step in range(80):
        items = kind()
        if old is not None:
            store_over(items, limit=limit).set(TOKEN, old)
        items.changes_left = step
        try:
            store_over(items, limit=limit).set(TOKEN, new)
        except CutShort:
            items.changes_left = None
        else:
            break
        store = store_over(items, limit=limit)
        value = store.get(TOKEN)
        assert value in {old, new}
        assert store.names("acme") == ([] if value is None else ["token"])
        store.set(TOKEN, new)
        assert_only_needed_items(items, new, limit=limit)
    else:
        pytest.fail("never finished")


@pytest.mark.parametrize("kind", [DictItems, RemovingItems])
@pytest.mark.parametrize("old", [SHORT, LONG])
def test_a_delete_cut_short_is_done_or_not(kind: type[DictItems], old: str) -> None:
    for step in range(80):
        items = kind()
        store_over(items).set(TOKEN, old)
        items.changes_left = step
        try:
            store_over(items).delete(TOKEN)
        except CutShort:
            items.changes_left = None
        else:
            assert items.items == {}
            break
        store = store_over(items)
        value = store.get(TOKEN)
        assert value in {old, None}
        assert store.names("acme") == ([] if value is None else ["token"])
        store.delete(TOKEN)
        assert items.items == {}
    else:
        pytest.fail("never finished")


def assert_only_needed_items(items: DictItems, value: str, *, limit: int | None) -> None:
    fresh = DictItems()
    store_over(fresh, limit=limit).set(TOKEN, value)
    assert len(items.items) == len(fresh.items)


def test_a_reader_sees_the_new_value_when_it_is_switched_under_it() -> None:
    items = DictItems()
    store_over(items).set(TOKEN, LONG)

    def switch(address: str) -> None:
        if "#" in address:
            items.before_read = lambda _address: None
            store_over(items).set(TOKEN, OTHER)

    items.before_read = switch
    assert store_over(items).get(TOKEN) == OTHER


def test_a_lost_shard_is_damage_and_set_repairs_it() -> None:
    items = DictItems()
    store = store_over(items)
    store.set(TOKEN, LONG)
    del items.items[next(address for address in items.items if address.endswith(".1"))]
    with pytest.raises(Damaged, match="part 2"):
        store.get(TOKEN)
    store.set(TOKEN, LONG)
    assert store.get(TOKEN) == LONG


def test_a_damaged_index_is_rebuilt_from_what_is_used() -> None:
    items = DictItems()
    store_over(items).set(TOKEN, SHORT)
    store_over(items).set(SecretRef("acme", "b"), SHORT)
    items.items["devwiz-gw/acme"] = "1=nonsense"
    with pytest.raises(Damaged):
        store_over(items).names("acme")
    store_over(items).set(SecretRef("acme", "b"), SHORT)
    assert store_over(items).get(TOKEN) == SHORT
    assert store_over(items).names("acme") == ["b", "token"]


def test_a_read_does_not_fail_for_an_index_that_can_not_be_written() -> None:
    items = DictItems()
    store_over(items).set(TOKEN, SHORT)
    del items.items["devwiz-gw/acme"]

    def refused() -> AbstractContextManager[None]:
        raise OSError("read-only")

    values = ShardedItems(items, limit=None, new_generation=lambda: "ab")
    store = ItemStore(values, Addresses("devwiz-gw", fold_case=False), lock=refused)
    assert store.get(TOKEN) == SHORT


def test_the_index_is_not_read_again_for_a_name_once_seen_there() -> None:
    items = DictItems()
    store = store_over(items)
    store.set(TOKEN, SHORT)
    read: list[str] = []
    items.before_read = read.append
    store.get(TOKEN)
    assert read == ["devwiz-gw/acme/token"]


def test_the_index_holds_no_value() -> None:
    items = DictItems()
    store_over(items, limit=None).set(TOKEN, "canary")
    assert "canary" not in items.items["devwiz-gw/acme"]


def test_no_two_secrets_share_an_address_where_case_is_ignored() -> None:
    addresses = Addresses("devwiz-gw", fold_case=True)
    names = ("token", "Token", "TOKEN", "tOken")
    refs = [*(SecretRef("acme", name) for name in names), SecretRef("acme.token", "token")]
    found = {addresses.value(ref).lower() for ref in refs} | {addresses.index("acme")}
    assert len(found) == len(refs) + 1


def test_unavailable_items_keep_their_code() -> None:
    assert ItemsUnavailable("locked", "why").code == "locked"
