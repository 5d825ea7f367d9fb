"""Identity tokens against a rule's terms: good ones, and all that attackers send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certs.issuer.joins import identity_token
from certs.issuer.joins.claim_rules import ClaimRule
from certs.issuer.joins.key_set import KeySet
from certs.issuer.joins.rules import Provider, TokenTerms
from certs.issuer.refusal import Code, Refused

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ISSUER = "https://idp.acme.example"
AUDIENCE = "https://issuer.acme.example"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
TERMS = TokenTerms(
    method="oidc",
    provider=Provider(issuer=ISSUER),
    audiences=(AUDIENCE, "other"),
    alternatives=((ClaimRule(path="sub", equals=("agent:planner",)),),),
)


def jwk(key: Any, key_id: str, **members: Any) -> dict[str, Any]:
    algorithms = jwt.algorithms
    converter: Any = algorithms.RSAAlgorithm
    if isinstance(key, ec.EllipticCurvePublicKey):
        converter = algorithms.ECAlgorithm
    if isinstance(key, ed25519.Ed25519PublicKey):
        converter = algorithms.OKPAlgorithm
    return {**converter.to_jwk(key, as_dict=True), "kid": key_id, **members}


KEYS = KeySet.parse(
    json.dumps(
        {"keys": [jwk(RSA_KEY.public_key(), "rsa"), jwk(EC_KEY.public_key(), "ec", alg="ES256")]}
    ).encode()
)


def claims(**changes: Any) -> dict[str, Any]:
    seconds = int(NOW.timestamp())
    values = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "agent:planner",
        "iat": seconds - 5,
        "nbf": seconds - 5,
        "exp": seconds + 300,
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}


def token(key: Any = RSA_KEY, algorithm: str = "RS256", kid: str = "rsa", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid})


def part(data: bytes | dict[str, Any]) -> str:
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(header: bytes | dict[str, Any], payload: bytes | dict[str, Any]) -> str:
    """Signed by the provider's RSA key, whatever it says."""
    signed = f"{part(header)}.{part(payload)}"
    signer = jwt.algorithms.get_default_algorithms()["RS256"]
    return f"{signed}.{part(signer.sign(signed.encode(), RSA_KEY))}"


def check(text: str, terms: TokenTerms = TERMS, keys: KeySet = KEYS) -> dict[str, Any]:
    return identity_token.check(identity_token.parse(text), terms, keys, NOW)


def refusal(text: str, **options: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        check(text, **options)
    assert text not in str(caught.value) + caught.value.hint
    assert "agent:" not in str(caught.value) + caught.value.hint
    return caught.value


def test_a_good_token_gives_its_claims() -> None:
    assert check(token())["sub"] == "agent:planner"
    assert check(token(EC_KEY, "ES256", "ec"))["iss"] == ISSUER
    assert check(token(aud=["somebody", "other"]))["sub"] == "agent:planner"
    assert check(token(nbf=None))["sub"] == "agent:planner"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://idp.acme.example/"}, Code.ID_TOKEN_ISSUER),
        ({"iss": "https://evil.example"}, Code.ID_TOKEN_ISSUER),
        ({"iss": None}, Code.ID_TOKEN_ISSUER),
        ({"iss": [ISSUER]}, Code.ID_TOKEN_ISSUER),
        ({"aud": "https://issuer.acme.example.evil"}, Code.ID_TOKEN_AUDIENCE),
        ({"aud": None}, Code.ID_TOKEN_AUDIENCE),
        ({"aud": []}, Code.ID_TOKEN_AUDIENCE),
        ({"aud": {AUDIENCE: True}}, Code.ID_TOKEN_AUDIENCE),
        ({"exp": int(NOW.timestamp()) - 61}, Code.ID_TOKEN_EXPIRED),
        ({"exp": None}, Code.ID_TOKEN_MALFORMED),
        ({"exp": "9999999999"}, Code.ID_TOKEN_MALFORMED),
        ({"exp": True}, Code.ID_TOKEN_MALFORMED),
        ({"exp": 10**400}, Code.ID_TOKEN_MALFORMED),
        ({"exp": -1}, Code.ID_TOKEN_MALFORMED),
        ({"iat": None}, Code.ID_TOKEN_MALFORMED),
        ({"iat": int(NOW.timestamp()) - 86_470}, Code.ID_TOKEN_EXPIRED),
        ({"iat": int(NOW.timestamp()) + 90}, Code.ID_TOKEN_NOT_YET_VALID),
        ({"nbf": int(NOW.timestamp()) + 90}, Code.ID_TOKEN_NOT_YET_VALID),
        ({"nbf": "soon"}, Code.ID_TOKEN_MALFORMED),
        ({"sub": None}, Code.ID_TOKEN_MALFORMED),
        ({"sub": 7}, Code.ID_TOKEN_MALFORMED),
        ({"sub": "agent:planner2"}, Code.ID_TOKEN_CLAIMS),
        ({"sub": "AGENT:planner"}, Code.ID_TOKEN_CLAIMS),
    ],
)
def test_a_claim_that_is_wrong_is_named(changes: dict[str, Any], code: Code) -> None:
    # The library refuses to write some of them, so they are signed as they are.
    assert refusal(raw({"alg": "RS256", "kid": "rsa"}, claims(**changes))).code is code


def test_clocks_may_be_a_minute_apart() -> None:
    seconds = int(NOW.timestamp())
    assert check(token(exp=seconds - 59))
    assert check(token(iat=seconds + 59, nbf=seconds + 59))


def test_a_token_without_a_signature_is_refused() -> None:
    body = part(claims())
    for algorithm in ("none", "None", "NONE", ""):
        head = part({"alg": algorithm, "kid": "rsa"})
        assert refusal(f"{head}.{body}.{part(b'x')}").code is Code.ID_TOKEN_ALGORITHM
        assert refusal(f"{head}.{body}.").code is Code.ID_TOKEN_MALFORMED


def test_the_public_key_is_no_shared_secret() -> None:
    """The confusion of RS256 with HS256 (RFC 8725 §2.1)."""
    pem = RSA_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(claims())}"
    forged = f"{signed}.{part(hmac.digest(pem, signed.encode(), hashlib.sha256))}"
    assert refusal(forged).code is Code.ID_TOKEN_ALGORITHM


def test_another_algorithm_of_the_same_key_is_refused() -> None:
    assert refusal(token(algorithm="RS512")).code is Code.ID_TOKEN_ALGORITHM
    # One that the rule takes, and the key isn't for.
    signed = f"{part({'alg': 'ES256', 'kid': 'rsa'})}.{part(claims())}"
    assert refusal(f"{signed}.{part(b'0' * 64)}").code is Code.ID_TOKEN_SIGNATURE


def test_a_key_is_used_with_the_algorithm_that_its_set_says() -> None:
    keys = KeySet.parse(
        json.dumps({"keys": [jwk(RSA_KEY.public_key(), "rsa", alg="PS256")]}).encode()
    )
    assert refusal(token(), keys=keys).code is Code.ID_TOKEN_SIGNATURE


def test_a_key_that_the_token_brings_along_is_not_looked_at() -> None:
    own = rsa.generate_private_key(65537, 2048)
    tempting = {
        "kid": "rsa",
        "jwk": jwk(own.public_key(), "rsa"),
        "jku": "http://127.0.0.1:9/jwks",
        "x5u": "http://127.0.0.1:9/cert",
        "x5c": ["MIIB"],
    }
    forged = jwt.encode(claims(), own, algorithm="RS256", headers=tempting)
    assert refusal(forged).code is Code.ID_TOKEN_SIGNATURE
    # A good token may have them: they are ignored, not followed.
    assert check(jwt.encode(claims(), RSA_KEY, algorithm="RS256", headers=tempting))


def test_an_unknown_key_is_told() -> None:
    assert refusal(token(kid="gone")).code is Code.ID_TOKEN_KEY_UNKNOWN
    assert refusal(token(), keys=KeySet({})).code is Code.ID_TOKEN_KEY_UNKNOWN


def test_a_changed_token_is_refused() -> None:
    head, body, signature = token().split(".")
    other = part(claims(sub="agent:admin"))
    assert refusal(f"{head}.{other}.{signature}").code is Code.ID_TOKEN_SIGNATURE
    assert refusal(f"{head}.{body}.{part(b'no')}").code is Code.ID_TOKEN_SIGNATURE


@pytest.mark.parametrize(
    "payload",
    [
        b'{"sub": "agent:x", "sub": "agent:planner"}',
        b'{"iss": "x", "nested": {"a": 1, "a": 2}}',
        b'{"exp": NaN}',
        b"[1, 2]",
        b"\xff\xfe",
        b"",
        b"[" * 6000,
    ],
)
def test_claims_that_can_be_read_in_two_ways_are_refused(payload: bytes) -> None:
    assert refusal(raw({"alg": "RS256", "kid": "rsa"}, payload)).code is Code.ID_TOKEN_MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg": "RS256", "alg": "none", "kid": "rsa"}',
        b'{"alg": "RS256", "kid": "gone", "kid": "rsa"}',
        b'{"alg": "RS256", "kid": "rsa", "crit": ["exp"]}',
        b'{"alg": "RS256", "kid": ["rsa"]}',
        b'{"alg": ["RS256"], "kid": "rsa"}',
        b'{"alg": "RS256"}',
        b'{"alg": "RS256", "kid": ""}',
        b"null",
        b"{",
    ],
)
def test_a_header_that_is_none_is_refused(header: bytes) -> None:
    assert refusal(raw(header, claims())).code is Code.ID_TOKEN_MALFORMED


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "a.b.c.d", "....", "ü.b.c", "a.b.c\n", " a.b.c", "e30=.e30.AA", "x" * 20_000],
)
def test_a_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        check(text)
    assert caught.value.code is Code.ID_TOKEN_MALFORMED


def test_a_weak_key_signs_nothing() -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is the point
    keys = KeySet.parse(json.dumps({"keys": [jwk(weak.public_key(), "weak")]}).encode())
    signed = f"{part({'alg': 'RS256', 'kid': 'weak'})}.{part(claims())}"
    signer = jwt.algorithms.get_default_algorithms()["RS256"]
    forged = f"{signed}.{part(signer.sign(signed.encode(), weak))}"
    assert refusal(forged, keys=keys).code is Code.ID_TOKEN_SIGNATURE


def test_ed25519_is_taken_where_the_rule_says_so() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    keys = KeySet.parse(json.dumps({"keys": [jwk(key.public_key(), "ed")]}).encode())
    terms = TokenTerms(
        method="oidc",
        provider=TERMS.provider,
        audiences=TERMS.audiences,
        alternatives=TERMS.alternatives,
        algorithms=("EdDSA",),
    )
    text = token(key, "EdDSA", "ed")
    assert check(text, terms, keys)
    assert refusal(text, keys=keys).code is Code.ID_TOKEN_ALGORITHM


def test_what_is_written_down_can_not_be_used() -> None:
    long = claims(sub="s" * 1000, jti="id-7", secret="x", aud=[AUDIENCE])
    assert identity_token.evidence(long) == {"iss": ISSUER, "sub": "s" * 256, "jti": "id-7"}


def test_ages_count_from_the_making() -> None:
    made = int((NOW - timedelta(hours=23)).timestamp())
    assert check(token(iat=made, nbf=made))
