"""A server with another chain, another name, an older TLS, or none."""

from __future__ import annotations

import ssl

from tests.e2e.doctor.conftest import doctor
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import Conversation, Gone, ScriptedUpstream


def _tls(gateway: GatewayProcess) -> dict[str, str]:
    report = doctor(gateway)
    found = report.at("tls")
    assert found["result"] == "fail", report.findings
    assert report.at("accepted")["detail"] == "skipped: because tls failed"
    return found


def test_another_chain(
    gateway: GatewayProcess, upstream: ScriptedUpstream, authority: Authority
) -> None:
    other = Authority("acme root 2")
    upstream.context = server_context(other.issue("localhost"), authority)
    found = _tls(gateway)
    assert found["reason"] == "tls_failed"
    assert "not in the trust bundle (it shows one of CN=acme root 2)" in found["detail"]
    assert "trust_bundle" in found["remedy"]


def test_another_name(
    gateway: GatewayProcess, upstream: ScriptedUpstream, authority: Authority
) -> None:
    upstream.context = server_context(authority.issue("elsewhere.example"), authority)
    found = _tls(gateway)
    assert found["reason"] == "peer_rejected"
    assert "elsewhere.example" in found["detail"]
    assert upstream.requests == []


def test_an_older_tls(
    gateway: GatewayProcess, upstream: ScriptedUpstream, authority: Authority
) -> None:
    context = server_context(authority.issue("localhost"), authority)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    upstream.context = context
    assert "does not speak TLS 1.3" in _tls(gateway)["detail"]


def test_none(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    class Plain(Conversation):
        def handshake(self) -> None:
            self.socket.recv(65_536)
            self.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            raise Gone("enough seen")

    upstream.conversation = Plain
    assert _tls(gateway)["reason"] == "tls_failed"
