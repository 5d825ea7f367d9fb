"""Proxies that would be asked for the gateway, and folders with the names of our packages."""

from __future__ import annotations

from tests.e2e.doctor.conftest import doctor
from tests.fakes.gateway_process import GatewayProcess


def test_a_proxy_without_exceptions(gateway: GatewayProcess) -> None:
    gateway.env |= {"HTTP_PROXY": "http://ada:geheim@proxy.example:3128", "NO_PROXY": "localhost"}
    report = doctor(gateway)
    found = report.at("proxy")
    assert found["result"] == "warn"
    assert "HTTP_PROXY (proxy.example:3128) is set" in found["detail"]
    assert "NO_PROXY lacks 127.0.0.1, ::1" in found["detail"]
    assert "geheim" not in str(report.findings)
    # It is a matter of clients: the gateway's own ways know no proxy.
    assert report.code == 0


def test_a_package_of_the_same_name(gateway: GatewayProcess) -> None:
    folder = gateway.folder / "lib" / "identity"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    dist = gateway.folder / "lib" / "identity-0.11.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: identity\nVersion: 0.11.0\n")
    (dist / "RECORD").write_text("identity/__init__.py,,\n")
    # Behind ours on the path: in front of it nothing of ours would start.
    site = gateway.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        f"import sys\nsys.path.append({str(gateway.folder / 'lib')!r})\n"
    )
    gateway.env |= {"PYTHONPATH": str(site)}
    found = doctor(gateway).at("packages")
    assert found["result"] == "fail"
    assert "the package identity is also that of identity" in found["detail"]
    assert str(folder) in found["detail"]
