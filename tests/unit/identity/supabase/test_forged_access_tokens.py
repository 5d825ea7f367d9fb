"""The ways by which forged access tokens have passed elsewhere: RFC 8725 section 2, and more."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from identity.errors import TokenDenied
from identity.secret_stores.base import Secret
from identity.supabase.access_tokens import AccessTokens
from identity.supabase.auth_api import AuthApi
from tests.fakes.supabase_auth import KEY, SupabaseAuth

EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
SUBJECT = "8f1c"


def part(content: object) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def ec_signed(text: str) -> str:
    r, s = decode_dss_signature(EC_KEY.sign(text.encode(), ec.ECDSA(SHA256())))
    return f"{text}.{part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def rsa_signed(text: str, key: rsa.RSAPrivateKey = RSA_KEY) -> str:
    return f"{text}.{part(key.sign(text.encode(), padding.PKCS1v15(), SHA256()))}"


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    made = "RSA" if isinstance(key, rsa.RSAPublicKey) else "EC"
    algorithm = jwt.algorithms.RSAAlgorithm if made == "RSA" else jwt.algorithms.ECAlgorithm
    return {**json.loads(algorithm.to_jwk(key)), "kid": kid, **more}


class Scene(AuthApi):
    """A project's API with a key set of our own; `asked` counts tokens that the server judges."""

    asked = 0
    keys: list[dict[str, Any]]

    async def key_set(self) -> Mapping[str, Any]:
        return {"keys": self.keys}

    async def user(self, access_token: Secret) -> Mapping[str, Any]:
        self.asked += 1
        raise TokenDenied("the server knows no such token")

    async def verify(self, text: str) -> Mapping[str, Any]:
        tokens = AccessTokens(self, audience="authenticated", now=lambda: datetime.now(UTC))
        return await tokens.verify(Secret(text), user_id=SUBJECT)

    def claims(self, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        told = {"iss": self.issuer, "aud": "authenticated", "iat": now, "exp": now + 600}
        return {**told, "sub": SUBJECT, **more}


@pytest.fixture
def scene(server: SupabaseAuth) -> Scene:
    scene = Scene(server.url, KEY, ca_file=None, now=lambda: datetime.now(UTC))
    scene.keys = [jwk(EC_KEY.public_key(), "ec"), jwk(RSA_KEY.public_key(), "rsa")]
    return scene


async def test_what_the_project_signed_is_taken(scene: Scene) -> None:
    claims = part(scene.claims())
    for text in (
        ec_signed(f"{part({'alg': 'ES256', 'kid': 'ec'})}.{claims}"),
        ec_signed(f"{part({'alg': 'ES256', 'kid': 'ec', 'jku': 'https://x', 'jwk': {}})}.{claims}"),
        rsa_signed(f"{part({'alg': 'RS256', 'kid': 'rsa', 'typ': 'JWT'})}.{claims}"),
    ):
        assert (await scene.verify(text))["sub"] == SUBJECT


PUBLIC_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
OTHER = ec.generate_private_key(ec.SECP256R1())


def by_other_key(header: dict[str, Any]) -> Callable[[str], str]:
    def forge(claims: str) -> str:
        text = f"{part({'alg': 'ES256', **header})}.{claims}"
        r, s = decode_dss_signature(OTHER.sign(text.encode(), ec.ECDSA(SHA256())))
        return f"{text}.{part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    return forge


@pytest.mark.parametrize(
    "forge",
    [
        *(
            lambda claims, alg=alg: f"{part({'alg': alg, 'kid': 'ec'})}.{claims}.AAAA"
            for alg in ("none", "None", "nOnE", "", None, ["ES256"], {"ES256": 1}, "ES384", "PS256")
        ),
        lambda claims: f"{part({'alg': 'none'})}.{claims}.",
        by_other_key({"kid": "ec", "jwk": jwk(OTHER.public_key(), "ec")}),
        by_other_key({"kid": "../../../../dev/null"}),
        by_other_key({"kid": "ec' UNION SELECT 'key"}),
        by_other_key({"kid": ["ec"]}),
        by_other_key({"kid": None}),
        by_other_key({"kid": "ec", "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1"}),
        # CVE-2022-21449: nought for both halves, and the curve's order.
        lambda claims: f"{part({'alg': 'ES256', 'kid': 'ec'})}.{claims}.{part(bytes(64))}",
        # The signature in the form of another standard.
        lambda claims: (
            f"{(text := part({'alg': 'ES256', 'kid': 'ec'}) + '.' + claims)}"
            f".{part(EC_KEY.sign(text.encode(), ec.ECDSA(SHA256())))}"
        ),
        # Extensions that have to be understood, and the text that isn't encoded.
        lambda claims: ec_signed(
            f"{part({'alg': 'ES256', 'kid': 'ec', 'crit': ['exp']})}.{claims}"
        ),
        lambda claims: ec_signed(
            f"{part({'alg': 'ES256', 'kid': 'ec', 'b64': False, 'crit': ['b64']})}.{claims}"
        ),
        # What two readers read otherwise.
        lambda claims: ec_signed(
            f'{part(b"""{"alg": "none", "alg": "ES256", "kid": "ec"}""")}.{claims}'
        ),
        # A token within a token, and a JWE.
        lambda claims: ec_signed(
            f"{part({'alg': 'ES256', 'kid': 'ec', 'cty': 'JWT'})}"
            f".{part(ec_signed(part({'alg': 'ES256', 'kid': 'ec'}) + '.' + claims).encode())}"
        ),
        lambda claims: f"{part({'alg': 'dir', 'enc': 'A256GCM', 'kid': 'ec'})}..AA.{claims}.AA",
    ],
)
async def test_what_others_signed_is_refused(scene: Scene, forge: Callable[[str], str]) -> None:
    with pytest.raises(TokenDenied):
        await scene.verify(forge(part(scene.claims())))
    assert scene.asked == 0


async def test_a_public_key_is_no_shared_secret(scene: Scene) -> None:
    text = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(scene.claims())}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        text.encode(), PUBLIC_PEM
    )
    with pytest.raises(TokenDenied, match="the server knows no such token"):
        await scene.verify(f"{text}.{part(signature)}")
    assert scene.asked == 1


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "written",
    ["NaN", "Infinity", "1e999", "9" * 400, "-1", "null", "true", '"1"', "[1]", "{}", "1e12"],
)
async def test_a_time_is_a_time(scene: Scene, name: str, written: str) -> None:
    claims = json.dumps(scene.claims(**{name: "*"})).replace('"*"', written)
    with pytest.raises(TokenDenied):
        await scene.verify(
            ec_signed(f"{part({'alg': 'ES256', 'kid': 'ec'})}.{part(claims.encode())}")
        )


async def test_claims_that_are_there_twice_are_nobody_s(scene: Scene) -> None:
    claims = json.dumps(scene.claims())[:-1] + f', "sub": "{SUBJECT}"}}'
    with pytest.raises(TokenDenied, match="not one that the project signed"):
        await scene.verify(
            ec_signed(f"{part({'alg': 'ES256', 'kid': 'ec'})}.{part(claims.encode())}")
        )


@pytest.mark.parametrize(
    "changed",
    [
        {"use": "enc"},
        {"alg": "ES384"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"crv": "P-384"},
        {"kty": "RSA"},
        {"kid": 1},
        {"x": part(bytes(32))},
    ],
)
async def test_a_key_is_used_for_what_it_is_for(scene: Scene, changed: dict[str, Any]) -> None:
    scene.keys = [jwk(EC_KEY.public_key(), "ec") | changed]
    with pytest.raises(TokenDenied):
        await scene.verify(
            ec_signed(f"{part({'alg': 'ES256', 'kid': 'ec'})}.{part(scene.claims())}")
        )


async def test_a_short_rsa_key_is_refused(scene: Scene) -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the point
    scene.keys = [jwk(short.public_key(), "rsa")]
    with pytest.raises(TokenDenied, match="1024 bits"):
        await scene.verify(
            rsa_signed(f"{part({'alg': 'RS256', 'kid': 'rsa'})}.{part(scene.claims())}", short)
        )
