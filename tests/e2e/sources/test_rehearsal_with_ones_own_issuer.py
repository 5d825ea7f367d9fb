"""`devwiz-gw identity rehearse` with real issuers: what was really asked, and what came of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.certificates import AGENT
from tests.fakes.openbao import OpenBao
from tests.fakes.sourced_gateway import SourcedGateway
from tests.fakes.step_ca import PROVISIONER, StepCa
from tests.fakes.workload_api import Domain, WorkloadApi


def rehearse(folder: Path, identity: str, files: dict[str, str], *options: str) -> dict[str, Any]:
    folder.mkdir()
    gateway = SourcedGateway(folder, identity, agent_port=1)
    for name, text in files.items():
        gateway.keep(name, text)
    done = gateway.command("identity", "rehearse", "--renewals", "5", "--json", *options)
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1)
    assert not [text for text in files.values() if text in done.stdout]
    return report


def really(report: dict[str, Any]) -> list[tuple[str, bool, int]]:
    return [
        (step["step"], step["ok"], step["renewals"])
        for step in report["steps"]
        if step["part"] == "real"
    ]


@pytest.mark.program("bao")
def test_vault_is_asked_for_seconds(tmp_path: Path) -> None:
    with OpenBao(tmp_path / "bao") as bao:
        bao.start()
        identity = f"""
[identity]
source = "vault"
spiffe_id = "{AGENT}"
[identity.vault]
url = "{bao.url}"
ca_file = "{bao.ca_file}"
role = "agent"
token_file = "token"
"""
        began = time.monotonic()
        report = rehearse(tmp_path / "gateway", identity, {"token": bao.token()}, "--life", "60s")
        took_s = time.monotonic() - began
    assert report["ok"] is True, [step for step in report["steps"] if not step["ok"]]
    assert report["really_asked"] == ["vault"]
    assert report["certificate_life_s"] == 60
    made = really(report)
    assert [step for step, _, _ in made] == [
        "first identity",
        "3 renewals",
        "issuer refuses for 15s",
        "sleep of 18s",
    ]
    assert all(ok and renewals for _, ok, renewals in made), made
    # What it went through took longer than it took.
    assert sum(step["passed_s"] for step in report["steps"]) > took_s


@pytest.mark.program("step-ca")
def test_step_ca_is_asked_by_the_provisioners_key(tmp_path: Path) -> None:
    with StepCa(tmp_path / "step-ca") as authority:
        authority.start()
        identity = f"""
[identity]
source = "step-ca"
spiffe_id = "{AGENT}"
[identity.step-ca]
url = "{authority.url}"
fingerprint = "{authority.fingerprint}"
provisioner = "{PROVISIONER}"
provisioner_key_file = "key"
"""
        key = {"key": json.dumps(authority.provisioner_jwk)}
        good = rehearse(tmp_path / "gateway", identity, key)
        assert good["ok"] is True, good
        assert authority.said().count("path=/1.0/sign") == 1
        assert (
            authority.said().count("path=/1.0/rekey")
            == sum(step["renewals"] for step in good["steps"] if step["part"] == "real") - 1
        )
        bad = identity.replace(f'"{PROVISIONER}"', '"prod"')
        told = rehearse(tmp_path / "other", bad, key)
        assert told["ok"] is False
        assert [(ok, renewals) for _, ok, renewals in really(told)] == [(False, 0)]
        assert "sign: the step-ca has no provisioner 'prod'" in told["steps"][0]["why"]
        assert PROVISIONER in told["steps"][0]["hint"]
        # It was asked once, however fast the rehearsal's time runs.
        assert authority.said().count("path=/1.0/sign") == 2


@pytest.mark.program("workload-api")
def test_what_is_pushed_is_only_taken(tmp_path: Path) -> None:
    with WorkloadApi(tmp_path / "api.sock") as api:
        api.give(Domain().svid())
        identity = f"""
[identity]
source = "spiffe"
spiffe_id = "{AGENT}"
[identity.spiffe]
socket = "{api.endpoint}"
"""
        report = rehearse(tmp_path / "gateway", identity, {})
    assert report["ok"] is True, [step for step in report["steps"] if not step["ok"]]
    assert really(report) == [("first identity", True, 1)]
