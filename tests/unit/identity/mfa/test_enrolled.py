"""`identity.mfa.enrolled`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from identity.mfa.assertion import ProofRefused
from identity.mfa.enrolled import (
    EnrolledKeys,
    KeysDamaged,
    KeySlot,
    Lock,
    decode,
    encode,
    keys_ref,
    open_by_code,
    open_by_key,
)

LOCK = Lock(b"p" * 32, "acme")
NONCE = b"n" * 12
CODE = "0000-1111"


def slot(number: int, secret: bytes = b"s" * 32) -> KeySlot:
    return KeySlot(
        number=number,
        label="blue",
        credential=b"c%d" % number,
        public_key=b"k",
        verified=number == 1,
        salt=b"x" * 32,
        box=LOCK.box_for_key(secret, number, nonce=NONCE),
    )


KEYS = EnrolledKeys(
    public=LOCK.public,
    slots=(slot(1), slot(2)),
    recovery=LOCK.box_for_code(CODE, nonce=NONCE),
)


def test_each_key_and_the_code_open_the_lock() -> None:
    for one in KEYS.slots:
        assert open_by_key(KEYS, "acme", one, b"s" * 32).private == LOCK.private
    assert open_by_code(KEYS, "acme", "oooo 1l1i").private == LOCK.private


def test_nothing_else_does() -> None:
    first, second = KEYS.slots
    for keys, project, one, secret in (
        (KEYS, "acme", first, b"t" * 32),
        (KEYS, "other", first, b"s" * 32),
        (KEYS, "acme", replace(first, box=second.box), b"s" * 32),
        (replace(KEYS, public=b"q" * 32), "acme", first, b"s" * 32),
    ):
        with pytest.raises(KeysDamaged):
            open_by_key(keys, project, one, secret)
    for keys, code in ((KEYS, "0000-1112"), (replace(KEYS, recovery=b""), CODE)):
        with pytest.raises(KeysDamaged):
            open_by_code(keys, "acme", code)


def test_they_are_kept_as_text() -> None:
    assert decode(encode(KEYS)) == KEYS
    assert keys_ref("acme").name == "devwiz-gw.mfa"
    for text in ("", "[]", "{}", '{"form": 2}', "[" * 10_000):
        with pytest.raises(KeysDamaged):
            decode(text)


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ('"box"', '"bix"'),
        ('"made":0', '"made":1e999'),
        ('"made":0', '"made":"0"'),
        ('"number":1', '"number":-1'),
        ('"number":1', '"number":0'),
        ('"number":1', f'"number":{2**64}'),
        ('"number":1', '"number":true'),
        ('"form":1', '"form":1,"form":1'),
    ],
)
def test_what_is_not_whole_is_damaged(written: str, instead: str) -> None:
    text = encode(KEYS)
    assert written in text
    with pytest.raises(KeysDamaged):
        decode(text.replace(written, instead, 1))


def test_losing_one_key_must_lose_nothing() -> None:
    none = EnrolledKeys(public=LOCK.public)
    assert not none.is_enough
    assert not replace(none, recovery=KEYS.recovery).is_enough
    assert not none.with_slot(slot(1)).is_enough
    assert replace(none, recovery=KEYS.recovery).with_slot(slot(1)).is_enough
    assert KEYS.is_enough
    assert not replace(KEYS, recovery=b"").without(2).is_enough
    assert (KEYS.next_number, none.next_number) == (3, 1)


def test_a_credential_is_found_or_refused() -> None:
    assert KEYS.slot_of(b"c2").number == 2
    with pytest.raises(ProofRefused, match="not enrolled"):
        KEYS.slot_of(b"c3")


def test_the_mode_is_webauthns_word() -> None:
    assert [one.mode for one in KEYS.slots] == ["required", "discouraged"]


def test_the_lock_shows_nothing() -> None:
    assert "p" * 8 not in repr(LOCK)
