"""A server on a revocation list is told from one that was never trusted."""

from __future__ import annotations

import pytest

from tests.e2e.doctor.conftest import doctor
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream


@pytest.mark.parametrize("of", ["route", "identity"])
def test_it_is_told(
    gateway: GatewayProcess, upstream: ScriptedUpstream, authority: Authority, of: str
) -> None:
    leaf = authority.issue("localhost")
    upstream.context = server_context(leaf, authority)
    (gateway.folder / "crl.pem").write_text(authority.crl(leaf.serial))
    if of == "route":
        gateway.configure(more='crl = "crl.pem"\n')
    else:
        text = gateway.config.read_text()
        gateway.write_config(text.replace('source = "files"', 'source = "files"\ncrl = "crl.pem"'))
    report = doctor(gateway)
    tls = report.at("tls")
    assert (tls["result"], tls["reason"]) == ("fail", "tls_failed")
    assert "the server's certificate is revoked" in tls["detail"]
