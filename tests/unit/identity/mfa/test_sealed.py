"""`identity.mfa.sealed`."""

from __future__ import annotations

import pytest

from identity.errors import InvalidSecretValue
from identity.mfa.enrolled import KeysDamaged, Lock
from identity.mfa.sealed import MAX_SEALED_BYTES, seal, unseal
from identity.secret_stores.base import MAX_VALUE_BYTES, SEALED_PREFIX, SecretRef

LOCK = Lock(b"p" * 32, "acme")
REF = SecretRef("acme", "db")


def test_only_the_lock_reads_it_and_only_under_its_name() -> None:
    text = seal("canary ü", REF, LOCK.public)
    assert text.startswith(SEALED_PREFIX)
    assert "canary" not in text
    assert unseal(text, REF, LOCK) == "canary ü"
    for ref, lock in (
        (SecretRef("acme", "other"), LOCK),
        (SecretRef("other", "db"), LOCK),
        (REF, Lock(b"q" * 32, "acme")),
    ):
        with pytest.raises(KeysDamaged):
            unseal(text, ref, lock)
    for changed in (
        text[:-4],
        text[:-2] + ("AA" if text[-2:] != "AA" else "BB"),
        SEALED_PREFIX,
        text + "ü",
    ):
        with pytest.raises(KeysDamaged):
            unseal(changed, REF, LOCK)


def test_each_sealing_is_another() -> None:
    assert seal("v", REF, LOCK.public) != seal("v", REF, LOCK.public)


def test_every_store_takes_the_longest_one() -> None:
    assert len(seal("v" * MAX_SEALED_BYTES, REF, LOCK.public)) <= MAX_VALUE_BYTES
    with pytest.raises(InvalidSecretValue, match="sealed at most"):
        seal("v" * (MAX_SEALED_BYTES + 1), REF, LOCK.public)
