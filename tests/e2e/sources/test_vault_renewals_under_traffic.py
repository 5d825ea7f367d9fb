"""A real OpenBao gives certificates of seconds, renewed under traffic, by one login of an AppRole;
while it is frozen the gateway serves on, and afterwards renews again.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.fakes.certificates import AGENT
from tests.fakes.openbao import OpenBao
from tests.fakes.sourced_gateway import sourced_gateway

pytestmark = pytest.mark.program("bao")


def test_no_request_is_lost(tmp_path: Path) -> None:
    with OpenBao(tmp_path / "bao", life_s=20) as bao:
        bao.start()
        role_id, secret_id = bao.approle()
        identity = f"""
[identity]
source = "vault"
spiffe_id = "{AGENT}"
[identity.vault]
url = "{bao.url}"
ca_file = "{bao.ca_file}"
role = "agent"
auth = "approle"
role_id = "{role_id}"
secret_id_file = "secret-id"
"""
        with sourced_gateway(tmp_path / "gateway", identity, client_authorities=bao.root.pem) as (
            gateway,
            agent,
        ):
            gateway.keep("secret-id", secret_id)
            gateway.start()
            gateway.until_ready()
            (gateway.folder / "secret-id").unlink()
            bao.signal(signal.SIGSTOP)
            while gateway.status()["identity"]["state"] == "valid":
                assert gateway.request(path="/echo")[0] == 200
            bao.signal(signal.SIGCONT)
            while len(agent.serials) < 2:
                assert gateway.request(path="/echo")[0] == 200
            shown = gateway.folder.joinpath("gw.log").read_text() + json.dumps(gateway.status())
            assert secret_id not in shown
