"""`identity.secret_stores.item_codec`."""

from __future__ import annotations

import pytest

from identity.secret_stores.item_codec import (
    Damaged,
    Head,
    Shards,
    decode,
    decode_journal,
    encode,
    encode_journal,
    join,
    split,
    units,
)

LIMIT = 100


def head_of(value: str) -> tuple[Head, tuple[str, ...]]:
    encoded = encode(value, generation="ab", limit=LIMIT)
    head = decode(encoded.head)
    assert isinstance(head, Head)
    return head, encoded.parts


def test_a_value_that_fits_is_one_item() -> None:
    encoded = encode("v" * (LIMIT - 2), generation="ab", limit=LIMIT)
    assert encoded.shards is None
    assert decode(encoded.head) == "v" * (LIMIT - 2)


def test_one_unit_more_makes_shards() -> None:
    head, parts = head_of("v" * (LIMIT - 1))
    assert head.shards == Shards("ab", 2)
    assert join(head, parts) == "v" * (LIMIT - 1)


def test_no_shard_is_longer_than_the_limit_in_utf16() -> None:
    _, parts = head_of("🗝" * 500 + "é" * 501)
    assert max(units(part) for part in parts) <= LIMIT


def test_a_pair_of_surrogates_is_not_cut() -> None:
    assert list(split("a🗝🗝b", 2)) == ["a", "🗝", "🗝", "b"]


def test_without_a_limit_there_is_one_item() -> None:
    assert encode("v" * 60_000, generation="ab", limit=None).shards is None


def test_a_missing_shard_is_named() -> None:
    head, parts = head_of("v" * 300)
    with pytest.raises(Damaged, match="part 2 of 4 is missing"):
        join(head, (parts[0], None, *parts[2:]))


def test_shards_of_another_write_are_refused() -> None:
    head, parts = head_of("v" * 300)
    _, others = head_of("w" * 300)
    with pytest.raises(Damaged, match="belong together"):
        join(head, (*parts[:-1], others[-1]))


HEAD = '1#{{"generation": "ab", "count": {}, "sha256": "x"}}'


@pytest.mark.parametrize(
    "item",
    [
        "",
        "plain text",
        "2=later",
        "1#{",
        "1#[]",
        '1#{"count": 1}',
        "1#" + "[" * 10_000,
        HEAD.format("1e999"),
        HEAD.format("-1"),
        HEAD.format("1000000000"),
    ],
)
def test_an_unknown_item_is_refused(item: str) -> None:
    with pytest.raises(Damaged):
        decode(item)


def test_a_journal_names_generations() -> None:
    generations = (Shards("ab", 3), Shards("cd", 1))
    assert decode_journal(encode_journal(generations)) == generations


@pytest.mark.parametrize(
    "item",
    [None, "1=x", "1!{", "1![1]", "1!" + "[" * 10_000, '1![{"generation": "ab", "count": 1e999}]'],
)
def test_an_unreadable_journal_names_none(item: str | None) -> None:
    assert decode_journal(item) == ()
