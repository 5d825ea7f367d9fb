"""`certs.issuer.joins.compact_jws`, with the keys of `certs.issuer.joins.key_set`."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from certs.issuer.joins.compact_jws import CompactJws, InvalidJws
from certs.issuer.joins.key_set import KeySet
from tests.data.published import load

# What is right by RFC 7515 and not taken here, and why.
ANSWERED_OTHERWISE = {
    "symmetric": {1, 348, 352, 357, 358, 359, 376, 377},
    "an empty payload holds no claims": {259, 264, 268, 272, 320, 325},
    "the key's alg is another than the header's": {346, 347, 350, 351},
    "a character that base64url hasn't": {372, 373},
}


def part(content: object) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def is_taken(text: str, keys: KeySet) -> bool:
    try:
        token = CompactJws.parse(text)
    except InvalidJws:
        return False
    found = keys.keys.get(token.key_id)
    fits = found is not None and found.algorithm in ("", token.algorithm)
    return found is not None and fits and token.is_signed_by(found.key)


def test_wycheproofs_tokens_are_taken_and_refused_as_it_says() -> None:
    told = Counter[tuple[str, bool]]()
    otherwise = set()
    for group in load("wycheproof_jws"):
        keys = KeySet.parse(json.dumps({"keys": group["keys"]}).encode())
        for number, comment, result, text in group["tests"]:
            taken = is_taken(text, keys)
            told[result, taken] += 1
            if result == "invalid":
                # A key whose factors are weak by how they were found is the provider's to know.
                assert not taken or comment == "rejectsKeyWithRocaVulnerability", (number, comment)
            elif not taken and group["file"] == "json_web_signature":
                otherwise.add(number)
    assert otherwise == set().union(*ANSWERED_OTHERWISE.values())
    assert told == {
        ("valid", True): 27,
        ("valid", False): 24,
        ("invalid", True): 1,
        ("invalid", False): 375,
    }


def test_wycheproofs_signatures_are_good_and_bad_as_it_says() -> None:
    told = Counter[tuple[str, str]]()
    for group in load("wycheproof_signatures"):
        key: Any = load_der_public_key(bytes.fromhex(group["key"]))
        for number, comment, result, message, signature in group["tests"]:
            token = CompactJws(
                algorithm=group["algorithm"],
                key_id="",
                type="",
                payload=b"",
                signed=bytes.fromhex(message),
                signature=bytes.fromhex(signature),
            )
            assert token.is_signed_by(key) is (result == "valid"), (number, comment)
            told[group["algorithm"], result] += 1
    assert told == {
        ("EdDSA", "valid"): 88,
        ("EdDSA", "invalid"): 63,
        ("ES256", "valid"): 173,
        ("ES256", "invalid"): 89,
    }


@pytest.mark.parametrize(
    "text",
    [
        # Padding, another alphabet, line ends, bits that nobody reads (RFC 4648 §3.5), a last
        # group of one character.
        "{header}=.{claims}.{signature}",
        "{header}.{claims}.AAA+",
        "{header}.{claims}.AAA/",
        "{header}.{claims}.AA\nAA",
        "{header}.{claims}.AAAA\n",
        "{header}.{claims}.AB",
        "{header}.{claims}.AAB",
        "{header}.{claims}.AAAAA",
        "{header}.{claims}.{signature}.{signature}",
        "{header}.{claims}.{signature}.{signature}.{signature}",
        "{header}.{claims}",
        "{header}.{claims}.",
        ".{claims}.{signature}",
    ],
)
def test_only_the_compact_form_is_looked_at(text: str) -> None:
    parts = {"header": part({"alg": "ES256"}), "claims": part({}), "signature": part(bytes(64))}
    with pytest.raises(InvalidJws):
        CompactJws.parse(text.format(**parts))


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg": "none", "alg": "ES256", "kid": "one"}',
        b'{"alg": "ES256", "kid": "one", "kid": "two"}',
        b'{"alg": "ES256", "b64": false, "crit": ["b64"]}',
        b'{"alg": "ES256", "crit": []}',
        b'{"alg": "ES256", "crit": null}',
        b'{"alg": ["ES256"]}',
        b'{"alg": "ES256", "kid": 1}',
        b'{"alg": "ES256", "typ": {}}',
        b'{"alg": "ES256"} {}',
        b'[{"alg": "ES256"}]',
        b'"ES256"',
        b'\xff\xfe{\x00"\x00a\x00l\x00g\x00"\x00:\x00"\x00E\x00S\x002\x005\x006\x00"\x00}\x00',
    ],
)
def test_a_header_with_more_than_one_reading_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidJws):
        CompactJws.parse(f"{part(header)}.{part({})}.{part(bytes(64))}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "HS256", "ES256K"])
def test_no_key_is_good_for_another_algorithm(algorithm: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    token = CompactJws.parse(f"{part({'alg': algorithm})}.{part({})}.{part(bytes(64))}")
    assert not token.is_signed_by(key)
