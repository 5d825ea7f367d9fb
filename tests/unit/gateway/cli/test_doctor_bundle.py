"""Names that `--mask-names` replaces, and values that are known to be secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.doctor_bundle import known_values, names_of_organization
from gateway.config.model import FileTokenConfig
from tests.fakes.configs import config

_RAW = {
    "project": "acme",
    "identity": {"spiffe_id": "spiffe://acme.example/agent/planner"},
    "routes": [
        {
            "name": "billing",
            "upstream": "https://billing.acme.example:8443",
            "peer": ["spiffe://acme.example/agent/*", "dns:other.example"],
            "headers": {"Authorization": "Bearer {secret:billing-token}"},
        },
        {"name": "local", "upstream": "https://localhost:1"},
    ],
}


def test_names_of_an_organization_are_numbered_by_kind() -> None:
    assert names_of_organization(_RAW) == {
        "acme": "project-1",
        "acme.example": "domain-1",
        "agent": "part-1",
        "planner": "part-2",
        "billing": "route-1",
        "billing.acme.example": "host-1",
        "other.example": "host-2",
        "billing-token": "secret-1",
        "local": "route-2",
    }


@pytest.mark.may_block("reads files")
def test_values_of_the_environment_and_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "canary-one")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent.sock")
    monkeypatch.setenv("EDITOR", "vi-for-ever")
    token = tmp_path / "token"
    token.write_text("canary-two")
    (tmp_path / "k.pem").write_text("canary-three")
    settings = config(tmp_path, tokens=(FileTokenConfig(name="x", path=token),))
    found = set(known_values(settings).values())
    assert {"canary-one", "canary-two", "canary-three"} <= found
    assert not {"/run/agent.sock", "vi-for-ever"} & found
