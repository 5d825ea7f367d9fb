"""What a plan needs from people."""

from __future__ import annotations

from gateway.first_run.plan import IdentityPlan


def test_the_secrets_and_files_that_prove_who_it_is() -> None:
    plan = IdentityPlan(
        head={"source": "issuer"},
        tables={
            "issuer": {"bound_key_secret": "device-key", "registration_file": "r"},
            "vault": {"secret_id_secret": "sid", "ca_file": "ca.pem", "jwt_file": "/jwt"},
            "files": {"certificate": "c", "private_key": "k", "trust_bundle": "b"},
        },
    )
    assert plan.secrets == ("sid",)  # the bound key is made by the gateway
    assert plan.private_files == ("r", "/jwt", "k")
