"""The real step-ca gives certificates of seconds, renewed under traffic, each with a new key; its
provisioner's key is a secret of the project.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.certificates import AGENT
from tests.fakes.sourced_gateway import sourced_gateway
from tests.fakes.step_ca import PROVISIONER, StepCa

pytestmark = pytest.mark.program("step-ca")


def test_no_request_is_lost(tmp_path: Path) -> None:
    with StepCa(tmp_path / "step-ca", life_s=10) as authority:
        authority.start()
        identity = f"""
[identity]
source = "step-ca"
spiffe_id = "{AGENT}"
[identity.step-ca]
url = "{authority.url}"
fingerprint = "{authority.fingerprint}"
provisioner = "{PROVISIONER}"
provisioner_key_secret = "provisioner-key"
[secrets]
store = "folder"
folder = "secrets"
"""
        with sourced_gateway(
            tmp_path / "gateway", identity, client_authorities=authority.root.pem
        ) as (gateway, agent):
            (gateway.folder / "secrets").mkdir(mode=0o700)
            gateway.keep("secrets/provisioner-key", json.dumps(authority.provisioner_jwk))
            gateway.start()
            gateway.until_ready()
            while len(agent.serials) < 3:
                assert gateway.request(path="/echo")[0] == 200
            said = authority.said()
            assert said.count("path=/1.0/sign") == 1
            assert said.count("path=/1.0/rekey") >= 2
            shown = gateway.folder.joinpath("gw.log").read_text() + json.dumps(gateway.status())
            assert authority.provisioner_jwk["d"] not in shown
