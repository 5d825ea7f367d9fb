"""A gateway whose source is another gateway's Workload API: under traffic, through renewals of the
first one's certificate, its restart, and the end of the right to it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.authority import Authority
from tests.fakes.gateway_process import SPIFFE_ID, GatewayProcess
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.sourced_gateway import sourced_gateway

pytestmark = pytest.mark.timeout(60)


def test_the_second_follows_the_first(tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "first").mkdir(0o700)
    with GatewayProcess(tmp_path / "first", authority, upstream_port=1) as first:
        api = f"""
[workload_api]
socket = "unix:w.sock"
[[workload_api.allow]]
uid = {os.getuid()}
"""
        first.configure(more=api)
        first.start()
        first.until_ready()
        identity = f"""
[identity]
source = "spiffe"
spiffe_id = "{SPIFFE_ID}"
[identity.spiffe]
socket = "unix://{tmp_path}/first/w.sock"
hint = "default"
"""
        with sourced_gateway(
            tmp_path / "second", identity, client_authorities=authority.pem.encode()
        ) as (second, agent):
            second.start()
            second.until_ready()
            assert second.request(path="/echo")[0] == 200

            first.renew_identity()
            while len(agent.serials) < 2:
                assert second.request(path="/echo")[0] == 200

            first.command("drain")
            first.wait()
            assert second.request(path="/echo")[0] == 200
            first.renew_identity()
            first.start()
            while len(agent.serials) < 3:
                assert second.request(path="/echo")[0] == 200

            first.configure(more=api.replace(f"uid = {os.getuid()}", "uid = 54321"))
            assert first.command("reload").returncode == 0
            wait_until(lambda: second.request(path="/echo")[0] == 503)
            assert "withdrawn" in second.command("status").stdout
            first.configure(more=api)
            assert first.command("reload").returncode == 0
            wait_until(lambda: second.request(path="/echo")[0] == 200)
