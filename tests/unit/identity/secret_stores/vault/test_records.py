"""`identity.secret_stores.vault.records`: a row opens in its own place only."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from identity.secret_stores.base import SecretRef
from identity.secret_stores.binding import Binding
from identity.secret_stores.vault.contents import RecordRow
from identity.secret_stores.vault.keys import BoxDamaged, Keys
from identity.secret_stores.vault.records import (
    UnknownPolicy,
    decode_binding,
    decode_names,
    decode_value,
    encode_binding,
    encode_record,
    find_record,
)

KEYS = Keys(bytes(range(32)), b"vault-one")
TOKEN = SecretRef("acme", "planner-token")


def nonces() -> Callable[[], bytes]:
    count = itertools.count()
    return lambda: next(count).to_bytes(12, "big")


def record(ref: SecretRef = TOKEN, value: str = "value", *, policy: int = 0) -> RecordRow:
    return encode_record(KEYS, ref, value, version=7, nonce=nonces(), policy=policy)


@pytest.mark.parametrize("value", ["v", "x" * 70_000, "🗝\r\n\ufeff"])
def test_gives_back_what_was_put_in(value: str) -> None:
    assert decode_value(KEYS, TOKEN, record(value=value)) == value


def test_shows_neither_name_nor_value_nor_project() -> None:
    row = record(value="canary-value")
    shown = b"".join(cell for cell in row if isinstance(cell, bytes))
    for text in (b"planner-token", b"acme", b"canary"):
        assert text not in shown


def test_values_of_similar_length_are_not_told_apart() -> None:
    sizes = {len(record(value="v" * length).box) for length in range(1, 250)}
    assert len(sizes) == 1
    assert len({len(record(SecretRef("acme", "n" * size)).label) for size in range(1, 120)}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"version": 8},
        {"version": 6},
        {"policy": 1},
        {"name": b"other-tag"},
        {"box": record(SecretRef("acme", "other")).box},
        {"box": record(SecretRef("other", "planner-token")).box},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_row_that_was_changed_does_not_open(change: dict[str, object]) -> None:
    row = record()._replace(**change)  # type: ignore[arg-type]
    if "name" in change:
        assert find_record(KEYS, TOKEN, [row]) is None
        return
    with pytest.raises(BoxDamaged):
        decode_value(KEYS, TOKEN, row)


def test_a_row_put_under_another_name_or_project_does_not_open() -> None:
    row = record()
    for ref in (SecretRef("acme", "other"), SecretRef("other", "planner-token")):
        own = KEYS.project(ref.project)
        moved = row._replace(project=own.tag, name=own.name_tag(ref.name))
        assert find_record(KEYS, ref, [moved]) == moved
        with pytest.raises(BoxDamaged):
            decode_value(KEYS, ref, moved)
        with pytest.raises(BoxDamaged):
            decode_names(KEYS, ref.project, [moved])


def test_a_row_of_another_vault_does_not_open() -> None:
    for keys in (Keys(bytes(range(32)), b"vault-two"), Keys(bytes(32), b"vault-one")):
        assert find_record(keys, TOKEN, [record()]) is None
        with pytest.raises(BoxDamaged):
            decode_value(keys, TOKEN, record())


def test_a_policy_that_is_not_known_is_not_passed_over() -> None:
    with pytest.raises(UnknownPolicy):
        decode_value(KEYS, TOKEN, record(policy=1))


def test_names_are_the_projects_own() -> None:
    rows = [record(SecretRef(*ref)) for ref in (("acme", "b"), ("acme", "A"), ("other", "c"))]
    assert decode_names(KEYS, "acme", rows) == ["A", "b"]
    assert decode_names(KEYS, "nobody", rows) == []


def test_bindings_are_the_projects_own() -> None:
    binding = Binding(("/a/devwiz-gw.toml",), "/state/devwiz-gw")
    row = encode_binding(KEYS, "acme", binding, nonce=bytes(12))
    assert decode_binding(KEYS, "acme", [row]) == binding
    assert decode_binding(KEYS, "other", [row]) is None
    moved = row._replace(project=KEYS.project("other").tag)
    with pytest.raises(BoxDamaged):
        decode_binding(KEYS, "other", [moved])
