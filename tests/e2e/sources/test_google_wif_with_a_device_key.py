"""A laptop without any of Google's secrets: its own key, kept in the project's store, signs the
subject token; federation and the CA pool do the rest, and certificates are renewed under traffic.
"""

from __future__ import annotations

import json
from pathlib import Path

import jwt

from certs import keys
from tests.fakes.certificates import AGENT
from tests.fakes.google_cloud import POOL, GoogleCloud
from tests.fakes.sourced_gateway import sourced_gateway
from tests.fakes.step_ca import jwk_of


def test_no_request_is_lost(tmp_path: Path) -> None:
    with GoogleCloud(tmp_path) as cloud:
        key = keys.generate()
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        cloud.jwks = {"keys": [public | {"kid": "laptop-1", "alg": "ES256"}]}
        cloud.issuer = "https://laptop.acme.example"
        cloud.longest_s = 10
        identity = f"""
[identity]
source = "google-wif"
spiffe_id = "{AGENT}"
[identity.google-wif]
credential_file = "external-account.json"
ca_pool = "{POOL}"
cas_url = "{cloud.url}"
allowed_hosts = ["{cloud.host}"]
ca_file = "{cloud.ca_file}"
signer_issuer = "{cloud.issuer}"
signer_subject = "agent:laptop"
signer_key_secret = "device-key"
[secrets]
store = "folder"
folder = "secrets"
"""
        with sourced_gateway(tmp_path / "gateway", identity, client_authorities=cloud.root.pem) as (
            gateway,
            agent,
        ):
            gateway.keep("external-account.json", json.dumps(cloud.credentials(None)))
            (gateway.folder / "secrets").mkdir(mode=0o700)
            jwk = jwk_of(key, "laptop-1")
            gateway.keep("secrets/device-key", json.dumps(jwk))
            gateway.start()
            gateway.until_ready()
            while len(agent.serials) < 2:
                assert gateway.request(path="/echo")[0] == 200
            shown = gateway.folder.joinpath("gw.log").read_text() + json.dumps(gateway.status())
            assert jwk["d"] not in shown
            assert "ya29." not in shown
