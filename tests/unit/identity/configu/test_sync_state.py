from __future__ import annotations

import pytest

from identity.configu.sync_state import Synced, SyncState, decode, encode, state_ref, token_ref
from identity.errors import SyncStateDamaged
from identity.secret_stores.base import OWN_PREFIX, Secret

STATE = SyncState(
    key=b"k" * 32, synced={"A": Synced(value="v", coming="c", pending="p", stale=True)}
)


def test_what_is_kept_is_read() -> None:
    assert decode(encode(STATE)) == STATE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"v":2,"key":"","synced":{}}',
        '{"v":1,"key":"?","synced":{}}',
        '{"v":1,"key":"","synced":{"A":["a"]}}',
        '{"v":1,"key":"","synced":{"A":["a",1,"",0]}}',
        '{"v":1,"key":"","synced":[]}',
    ],
)
def test_anything_else_is_damaged(text: str) -> None:
    with pytest.raises(SyncStateDamaged):
        decode(Secret(text))


def test_a_fingerprint_is_of_one_name_and_one_key() -> None:
    other = SyncState(key=b"o" * 32)
    marks = {
        STATE.fingerprint("A", "v"),
        STATE.fingerprint("B", "v"),
        STATE.fingerprint("A", "w"),
        other.fingerprint("A", "v"),
    }
    assert len(marks) == 4
    assert "k" * 32 not in repr(STATE)


def test_the_items_are_the_programs_own() -> None:
    for ref in (state_ref("acme"), token_ref("acme")):
        assert ref.name.startswith(OWN_PREFIX)
