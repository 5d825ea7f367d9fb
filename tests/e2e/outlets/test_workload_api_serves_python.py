"""A program on grpcio gets the gateway's SVID, each renewal of it, and its bundle."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tests.fakes.authority import Authority
from tests.fakes.gateway_process import SPIFFE_ID, GatewayProcess
from tests.fakes.workload_client import MESSAGES, failure, workload_client

pytestmark = pytest.mark.timeout(60)


def test_a_python_program_follows(tmp_path: Path) -> None:
    authority = Authority()
    with GatewayProcess(tmp_path, authority, upstream_port=1) as gateway:
        gateway.configure(more='[workload_api]\nsocket = "unix:workload.sock"\n')
        gateway.start()
        gateway.until_ready()
        assert (tmp_path / "workload.sock").stat().st_mode & 0o777 == 0o600
        with workload_client(tmp_path / "workload.sock") as client:
            stream = client.svids()
            (svid,) = next(stream).svids
            assert svid.spiffe_id == SPIFFE_ID
            assert svid.hint == "default"
            leaf = x509.load_der_x509_certificate(svid.x509_svid)
            assert load_der_private_key(svid.x509_svid_key, None).public_key() == leaf.public_key()
            bundle = x509.load_der_x509_certificate(svid.bundle)
            assert bundle == x509.load_pem_x509_certificate(authority.pem.encode())

            bundles = client.bundles()
            assert dict(next(bundles).bundles) == {"spiffe://acme.example": svid.bundle}

            gateway.renew_identity()
            (fresh,) = next(stream).svids
            assert fresh.x509_svid != svid.x509_svid
            assert fresh.x509_svid_key != svid.x509_svid_key

            assert failure(client.svids(metadata=())) is grpc.StatusCode.INVALID_ARGUMENT
            for wrong in (("workload.spiffe.io", "True"), ("workload.spiffe.io", "")):
                assert failure(client.svids(metadata=(wrong,))) is grpc.StatusCode.INVALID_ARGUMENT
            for method, request in (
                ("FetchJWTSVID", MESSAGES["JWTSVIDRequest"](audience=["a"])),
                ("FetchJWTBundles", MESSAGES["JWTBundlesRequest"]()),
                ("ValidateJWTSVID", MESSAGES["ValidateJWTSVIDRequest"](audience="a", svid="b")),
                ("FetchWITSVID", MESSAGES["X509SVIDRequest"]()),
            ):
                assert client.status_of(method, request) is grpc.StatusCode.UNIMPLEMENTED

            gateway.command("drain")
            assert failure(stream) is grpc.StatusCode.UNAVAILABLE
            assert gateway.wait()[0] == 0
    assert not (tmp_path / "workload.sock").exists()
    given = [line for line in gateway.audit() if line["action"] == "workload_api.fetch"]
    assert [line["outcome"] for line in given] == ["ok", "ok"]
    assert f"{SPIFFE_ID} serial " in given[0]["reason"]
    assert given[0]["name"].startswith("uid:")
