"""`identity verify` tells of the running gateway, and of files without one, what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes.authority import Authority
from tests.fakes.gateway_process import SPIFFE_ID, GatewayProcess


def test_the_running_gateway_then_its_files(tmp_path: Path) -> None:
    authority = Authority()
    with GatewayProcess(tmp_path, authority, upstream_port=1) as gateway:
        gateway.configure(more='[[identity.export]]\ndir = "tls"\n')
        gateway.start()
        gateway.until(lambda body: bool(body["exports"][0]["serial"]))
        good = gateway.command("identity", "verify", "--json")
        assert good.returncode == 0, good.stderr
        results = {item["check"]: item["result"] for item in json.loads(good.stdout)["checks"]}
        assert results == {
            "certificate": "pass",
            "trust bundle": "pass",
            "profile": "pass",
            "validity": "pass",
            "key": "skipped",
            "chain": "pass",
            "revocation": "skipped",
        }
        other = gateway.command("identity", "verify", "--spiffe-id", "spiffe://acme.example/b")
        assert other.returncode == 1
        assert f"fail     name          it is for {SPIFFE_ID}" in other.stdout
        shown = gateway.command("identity", "show")
        assert "  issuer chain  CN=test authority" in shown.stdout
        assert "  life used     " in shown.stdout
        gateway.command("drain")
        gateway.wait()
    folder = tmp_path / "tls"
    offline = gateway.command("identity", "verify", "--dir", str(folder))
    assert offline.returncode == 0, offline.stdout
    assert "the private key is the certificate's" in offline.stdout
    (tmp_path / "other.pem").write_text(Authority().pem)
    cert, key = str(folder / "svid.pem"), str(folder / "svid.key")
    wrong = gateway.command(
        "identity", "verify", "--cert", cert, "--key", key, "--bundle", str(tmp_path / "other.pem")
    )
    assert wrong.returncode == 1
    assert "fail     chain" in wrong.stdout
    assert "hint: was the issuer's authority replaced?" in wrong.stdout
