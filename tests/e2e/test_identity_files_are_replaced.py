"""An identity in files, from somebody else's authority: a new pair is taken in under traffic."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from tests.fakes.agent_server import AgentServer
from tests.fakes.gateway_process import AnyGateway
from tests.fakes.scripted_upstream import wait_until

CONFIG = """
project = "acme"
[identity]
source = "files"
[identity.files]
certificate = "tls.crt"
private_key = "tls.key"
trust_bundle = "ca.crt"
[admin]
socket = "unix:admin.sock"
[log]
file = "gw.log"
[[routes]]
name = "planner"
listen = "127.0.0.1:0"
upstream = "https://localhost:{port}"
"""


@pytest.fixture
def root() -> trustme.CA:
    return trustme.CA()


def server_context(root: trustme.CA) -> ssl.SSLContext:
    """TLS 1.3 only, with a client certificate of the authority required."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    root.configure_trust(context)
    root.issue_cert("localhost").configure_cert(context)
    return context


def write(folder: Path, name: str, pems: list[trustme.Blob]) -> None:
    """As cert-manager and others do: a new file takes the place of the old one."""
    fresh = folder / f".{name}.new"
    fresh.touch(0o600)
    fresh.write_bytes(b"".join(pem.bytes() for pem in pems))
    fresh.rename(folder / name)


def write_identity(folder: Path, root: trustme.CA) -> None:
    """A certificate with a chain of two, and its key; it lives for years."""
    leaf = root.create_child_ca().issue_cert("laptop.acme.example")
    write(folder, "tls.key", [leaf.private_key_pem])
    write(folder, "tls.crt", leaf.cert_chain_pems)


def test_requests_go_on_with_the_new_one(tmp_path: Path, root: trustme.CA) -> None:
    folder = tmp_path / "gateway"
    folder.mkdir(mode=0o700)
    write_identity(folder, root)
    write(folder, "ca.crt", [root.cert_pem])
    with AgentServer(server_context(root)) as agent, AnyGateway(folder) as gateway:
        gateway.write_config(CONFIG.format(port=agent.port))
        gateway.start()
        before = gateway.until_ready()["identity"]
        assert before["dns_names"] == ["laptop.acme.example"]
        assert before["spiffe_id"] is None
        address = gateway.address()

        def serves() -> bool:
            assert gateway.request("POST", "/echo", at=address, body=b"x")[0] == 200
            return len(agent.serials) == 2

        assert not serves()
        write_identity(folder, root)
        wait_until(serves)
        after = gateway.until_ready()
        assert after["identity"]["generation"] == 2
        assert agent.serials == [before["serial"], after["identity"]["serial"]]
        assert after["routes"][0]["failures"] == {}
