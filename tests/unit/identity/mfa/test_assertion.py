"""`identity.mfa.assertion`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from identity.mfa.assertion import (
    Proof,
    ProofRefused,
    check_proof,
    decoded,
    encoded,
    is_cloned,
    proof_of,
)
from tests.fakes.authenticator import Authenticator
from tests.fakes.touches import enrolled, proof_by

CHALLENGE = b"c" * 32


@pytest.fixture(scope="module")
def touch() -> tuple[Proof, bytes]:
    device = Authenticator()
    made = enrolled(device)
    return proof_by(device, made, CHALLENGE), made.public_key


def refused(proof: Proof, public_key: bytes, challenge: bytes = CHALLENGE) -> str:
    with pytest.raises(ProofRefused) as why:
        check_proof(proof, challenge=challenge, public_key=public_key, verified=False)
    return str(why.value)


def test_a_touch_is_good_for_its_challenge_and_key_only(touch: tuple[Proof, bytes]) -> None:
    proof, public_key = touch
    check_proof(proof, challenge=CHALLENGE, public_key=public_key, verified=False)
    assert "something else" in refused(proof, public_key, b"d" * 32)
    assert "not the key's" in refused(proof, enrolled(Authenticator()).public_key)
    assert "not the key's" in refused(proof, b"no key")


def test_each_byte_of_what_was_signed_counts(touch: tuple[Proof, bytes]) -> None:
    proof, public_key = touch
    data = proof.authenticator_data
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        refused(replace(proof, authenticator_data=changed), public_key)
    for place in range(len(proof.client_data)):
        text = proof.client_data
        changed = text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :]
        refused(replace(proof, client_data=changed), public_key)
    assert "cut short" in refused(replace(proof, authenticator_data=data[:36]), public_key)


def signed(
    flags: int = 0x01, rp_id: str = "devwiz.localhost", **client: Any
) -> tuple[Proof, bytes]:
    """What a key signs that does whatever it is told."""
    key = Ed25519PrivateKey.generate()
    said = {
        "type": "webauthn.get",
        "challenge": encoded(CHALLENGE),
        "origin": "http://devwiz.localhost",
        "crossOrigin": False,
    } | client
    text = json.dumps(said).encode()
    data = hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + bytes(4)
    signature = key.sign(data + hashlib.sha256(text).digest())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Proof(text, data, signature), public


def test_a_page_on_any_port_of_the_same_name_may_ask() -> None:
    for origin in ("http://devwiz.localhost", "http://devwiz.localhost:8455"):
        proof, public_key = signed(origin=origin)
        assert check_proof(proof, challenge=CHALLENGE, public_key=public_key, verified=False) == 0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"flags": 0x00}, "not touched"),
        ({"flags": 0x04}, "not touched"),
        ({"flags": 0x05}, "verified the person"),
        ({"rp_id": "localhost"}, "another relying party"),
        ({"type": "webauthn.create"}, "not an assertion"),
        ({"crossOrigin": True}, "another origin"),
        ({"origin": "http://localhost"}, "another origin"),
        ({"origin": "http://devwiz.localhost.evil.example"}, "another origin"),
        ({"origin": "http://devwiz.localhost:80/x"}, "another origin"),
        ({"origin": "http://devwiz.localhost:"}, "another origin"),
        ({"origin": 1}, "another origin"),
        ({"challenge": "*"}, "not base64url"),
        ({"challenge": f"{encoded(CHALLENGE)}="}, "not base64url"),
        ({"challenge": encoded(CHALLENGE)[:-1] + "N"}, "not base64url"),
        ({"challenge": None}, "missing"),
    ],
)
def test_what_was_signed_for_something_else(changes: dict[str, Any], why: str) -> None:
    assert why in refused(*signed(**changes))


def test_the_pinned_mode_is_demanded() -> None:
    proof, public_key = signed(flags=0x01)
    with pytest.raises(ProofRefused, match="didn't verify"):
        check_proof(proof, challenge=CHALLENGE, public_key=public_key, verified=True)
    proof, public_key = signed(flags=0x05)
    check_proof(proof, challenge=CHALLENGE, public_key=public_key, verified=True)


def test_other_algorithms_and_texts_are_refused() -> None:
    proof, _ = signed()
    rsa = generate_private_key(65537, 2048).public_key()
    public = rsa.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert "algorithm" in refused(proof, public)
    assert "not JSON" in refused(replace(proof, client_data=b"[1]"), public)
    assert "not JSON" in refused(replace(proof, client_data=b"\xff"), public)
    twice = proof.client_data[:-1] + b', "type": "webauthn.get"}'
    assert "not JSON" in refused(replace(proof, client_data=twice), public)
    wide = proof.client_data.decode().encode("utf-16")
    assert "not JSON" in refused(replace(proof, client_data=wide), public)


def test_a_proof_survives_the_journal() -> None:
    proof, _ = signed()
    assert proof_of(json.loads(json.dumps(proof.fields()))) == proof
    with pytest.raises(ProofRefused, match="missing"):
        proof_of({})
    assert decoded(encoded(b"\x00\xff")) == b"\x00\xff"
    for other in ("AP8=", "AP9", "AP8\n", "//8", "++8"):
        with pytest.raises(ProofRefused, match="not base64url"):
            decoded(other)


@pytest.mark.parametrize(
    ("before", "now", "cloned"),
    [(0, 0, False), (0, 1, False), (5, 6, False), (5, 5, True), (5, 0, True)],
)
def test_counters_grow(before: int, now: int, cloned: bool) -> None:
    assert is_cloned(before, now) is cloned
