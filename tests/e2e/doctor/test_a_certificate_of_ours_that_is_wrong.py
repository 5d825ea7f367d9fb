"""Files of an identity that has ended, is mixed up, is another one's, or open to everybody."""

from __future__ import annotations

from datetime import timedelta

from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.e2e.doctor.conftest import doctor
from tests.fakes.authority import Authority
from tests.fakes.gateway_process import SPIFFE_ID, GatewayProcess


def _failures(gateway: GatewayProcess) -> list[str]:
    report = doctor(gateway)
    failures = [item for item in report.all("certificate") if item["result"] == "fail"]
    assert all(item["remedy"] for item in failures)
    # It can't be shown, and the server is looked at all the same where it can be.
    assert report.at("accepted")["result"] == "skip"
    return [item["detail"] for item in failures]


def test_it_has_ended(gateway: GatewayProcess, authority: Authority) -> None:
    leaf = authority.issue(SPIFFE_ID, starts=timedelta(hours=-2), ends=timedelta(hours=-1))
    (gateway.folder / "client.key").write_text(leaf.key_pem)
    (gateway.folder / "client.crt").write_text(leaf.chain_pem)
    (found,) = _failures(gateway)
    assert found.startswith("validity: it expired at ")


def test_the_key_is_another_one(gateway: GatewayProcess, authority: Authority) -> None:
    (gateway.folder / "client.key").write_text(authority.issue(SPIFFE_ID).key_pem)
    (found,) = _failures(gateway)
    assert found == "key: the private key is another one than the certificate's"


def test_it_is_for_somebody_else(gateway: GatewayProcess) -> None:
    text = gateway.config.read_text()
    other = 'source = "files"\nspiffe_id = "spiffe://acme.example/other"'
    gateway.write_config(text.replace('source = "files"', other))
    (found,) = _failures(gateway)
    assert found.startswith(f"name: it is for {SPIFFE_ID}")


def test_it_is_for_servers_only(gateway: GatewayProcess, authority: Authority) -> None:
    leaf = authority.issue(SPIFFE_ID, sides=[ExtendedKeyUsageOID.SERVER_AUTH])
    (gateway.folder / "client.key").write_text(leaf.key_pem)
    (gateway.folder / "client.crt").write_text(leaf.chain_pem)
    (found,) = _failures(gateway)
    assert "extended key usage" in found


def test_everybody_can_read_the_key(gateway: GatewayProcess) -> None:
    (gateway.folder / "client.key").chmod(0o644)
    (found,) = _failures(gateway)
    assert found.startswith("key file: ")
    assert "has mode 0644" in found
