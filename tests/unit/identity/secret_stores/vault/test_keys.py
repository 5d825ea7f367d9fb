"""`identity.secret_stores.vault.keys`."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter

import pytest

from identity.secret_stores.vault.keys import (
    FORMAT,
    BoxDamaged,
    Keys,
    close_box,
    derive,
    fields,
    open_box,
)
from tests.data.published import load

MASTER = bytes(range(32))
NONCE = b"n" * 12


def test_projects_and_vaults_share_no_key() -> None:
    keys = [
        Keys(MASTER, b"one").project("acme"),
        Keys(MASTER, b"one").project("other"),
        Keys(MASTER, b"two").project("acme"),
        Keys(bytes(32), b"one").project("acme"),
    ]
    parts = [part for own in keys for part in (own.tag, own.index, own.names, own.values)]
    assert len(set(parts)) == len(parts)
    assert len({own.name_tag("token") for own in keys}) == len(keys)


def test_the_same_name_has_the_same_tag() -> None:
    first, again = (Keys(MASTER, b"one").project("acme") for _ in range(2))
    assert first == again
    assert first.name_tag("token") == again.name_tag("token") != first.name_tag("Token")


def test_a_box_opens_with_its_key_for_its_purpose_only() -> None:
    key, purpose = b"k" * 32, b"purpose"
    box = close_box(key, b"content", purpose, nonce=NONCE)
    assert open_box(key, box, purpose) == b"content"
    for wrong_key, wrong_purpose in ((b"K" * 32, purpose), (key, b"another")):
        with pytest.raises(BoxDamaged):
            open_box(wrong_key, box, wrong_purpose)


def test_a_changed_or_cut_box_does_not_open() -> None:
    key = b"k" * 32
    box = close_box(key, b"content", b"", nonce=NONCE)
    for index in range(len(box)):
        changed = bytearray(box)
        changed[index] ^= 1
        for wrong in (bytes(changed), box[:index]):
            with pytest.raises(BoxDamaged):
                open_box(key, wrong, b"")


def test_the_known_answer_of_rfc_8452() -> None:
    # Appendix C.2, AEAD_AES_256_GCM_SIV: eight bytes, no associated data.
    key = bytes.fromhex("01" + "00" * 31)
    nonce = bytes.fromhex("03" + "00" * 11)
    box = close_box(key, bytes.fromhex("0100000000000000"), b"", nonce=nonce)
    assert box == nonce + bytes.fromhex("c2ef328e5c71c83b843122130f7364b761e0b97427e3df28")


def test_wycheproofs_boxes_are_closed_and_opened_as_they_say() -> None:
    told = Counter[str]()
    for case in load("wycheproof_aes_gcm_siv"):
        key, nonce, aad, content, text, tag = (
            bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")
        )
        box = nonce + text + tag
        if case["result"] == "valid":
            assert open_box(key, box, aad) == content, case["tcId"]
            assert close_box(key, content, aad, nonce=nonce) == box, case["tcId"]
        else:
            with pytest.raises(BoxDamaged):
                open_box(key, box, aad)
        told[case["result"]] += 1
    assert told == {"valid": 69, "invalid": 34}


def test_derivation_is_rfc_5869s_written_out() -> None:
    key, salt, info = b"k" * 32, b"salt", fields(FORMAT, b"a", b"bc")
    extracted = hmac.digest(salt, key, hashlib.sha256)
    block, whole = b"", b""
    for number in (1, 2, 3):
        block = hmac.digest(extracted, block + info + bytes([number]), hashlib.sha256)
        whole += block
    assert derive(key, salt, b"a", b"bc", size=70) == whole[:70]


def test_no_other_parts_make_the_same_fields() -> None:
    texts = [fields(b"ab", b"c"), fields(b"a", b"bc"), fields(b"abc"), fields(b"", b"abc")]
    assert len(set(texts)) == len(texts)


def test_keys_show_nothing() -> None:
    keys = Keys(MASTER, b"one")
    assert repr(keys) == "Keys(…)"
    assert MASTER.hex() not in repr(keys.project("acme"))
    assert "\\x" not in repr(keys.project("acme"))


def test_a_master_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keys(b"short", b"one")
