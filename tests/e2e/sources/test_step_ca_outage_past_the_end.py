"""The real step-ca is away until the certificate has expired and the one token is spent: the
gateway comes back by itself, by renewal after the end.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from tests.fakes.certificates import AGENT
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.sourced_gateway import sourced_gateway
from tests.fakes.step_ca import PROVISIONER, StepCa

pytestmark = pytest.mark.program("step-ca")


def one_time_token(authority: StepCa) -> str:
    now = datetime.now(UTC)
    claims = {
        "iss": PROVISIONER,
        "aud": f"{authority.url}/1.0/sign",
        "sub": AGENT,
        "sans": [AGENT],
        "sha": authority.fingerprint,
        "iat": now,
        "exp": now + timedelta(minutes=5),
        "jti": hashlib.sha256(authority.url.encode()).hexdigest(),
    }
    key = jwt.PyJWK(authority.provisioner_jwk).key
    return jwt.encode(claims, key, "ES256", headers={"kid": authority.provisioner_jwk["kid"]})


def test_it_comes_back(tmp_path: Path) -> None:
    with StepCa(tmp_path / "step-ca", life_s=10) as authority:
        authority.start()
        identity = f"""
[identity]
source = "step-ca"
spiffe_id = "{AGENT}"
[identity.step-ca]
url = "{authority.url}"
fingerprint = "{authority.fingerprint}"
token_file = "token"
"""
        with sourced_gateway(
            tmp_path / "gateway", identity, client_authorities=authority.root.pem
        ) as (gateway, agent):
            gateway.keep("token", one_time_token(authority))
            gateway.start()
            assert gateway.until_ready()["identity"]["spiffe_id"] == AGENT
            assert gateway.request(path="/echo")[0] == 200
            authority.kill()
            gateway.until(lambda body: body["identity"]["state"] == "expired")
            assert gateway.request(path="/echo")[0] == 503
            authority.start()
            wait_until(lambda: gateway.request(path="/echo")[0] == 200, deadline_s=10)
            # By the old key, whose renewal is followed by one with a new key.
            gateway.until(lambda body: body["identity"]["generation"] >= 3)
            assert gateway.request(path="/echo")[0] == 200
            assert len(agent.serials) >= 3
            assert authority.said().count("path=/1.0/sign") == 1
