"""`identity verify` on files, on an exported folder and on the running gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509

from certs.export_folder import export, files_of
from gateway.cli.exit_codes import ExitCode
from gateway.cli.main import main
from tests.fakes.authority import Authority, Leaf
from tests.unit.gateway.cli.conftest import StartAdmin

ID = "spiffe://acme.example/agent/laptop"
AUTHORITY = Authority()


@pytest.fixture
def leaf() -> Leaf:
    return AUTHORITY.issue(ID)


@pytest.fixture
def files(workdir: Path, leaf: Leaf) -> Path:
    for name, text in (("c", leaf.chain_pem), ("k", leaf.key_pem), ("b", AUTHORITY.pem)):
        (workdir / name).touch(0o600)
        (workdir / name).write_text(text)
    return workdir


def verify(*arguments: str) -> int:
    return main(["identity", "verify", *arguments])


def test_files_offline(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify("--cert", "c", "--bundle", "b", "--key", "k", "--spiffe-id", ID) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["pass"] * 7 + ["skipped", "pass"]
    assert any(f"an X509-SVID for {ID}" in line for line in lines)


def test_what_is_wrong_comes_with_a_remedy(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "k").chmod(0o604)
    (files / "b").write_text(Authority().pem)
    code = verify("--cert", "c", "--bundle", "b", "--key", "k", "--spiffe-id", "spiffe://a/b")
    assert code == ExitCode.FAILED
    said = capsys.readouterr().out
    failed = [line.split()[1] for line in said.splitlines() if line.startswith("fail")]
    assert failed == ["name", "chain", "key"]
    assert "hint: chmod 600 k" in said
    assert said.count("hint: ") == 3


def test_an_expired_file_as_json(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from datetime import timedelta

    old = AUTHORITY.issue(ID, starts=-timedelta(hours=2), ends=-timedelta(hours=1))
    (workdir / "c").write_text(old.chain_pem)
    assert verify("--cert", "c", "--json") == ExitCode.FAILED
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    (failed,) = [item for item in document["checks"] if item["result"] == "fail"]
    assert failed["check"] == "validity"
    assert failed["detail"].startswith("it expired at ")


def test_an_exported_folder(workdir: Path, leaf: Leaf, capsys: pytest.CaptureFixture[str]) -> None:
    export(
        workdir / "tls",
        files_of(
            key_pem=leaf.key_pem.encode(),
            chain_pem=leaf.chain_pem.encode(),
            bundle_pem=AUTHORITY.pem.encode(),
        ),
    )
    assert verify("--dir", "tls") == ExitCode.OK
    assert "is the certificate's" in capsys.readouterr().out


def test_the_running_gateway(
    start_admin: StartAdmin, leaf: Leaf, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {
        "identity": "default",
        "chain": leaf.chain_pem,
        "bundle": AUTHORITY.pem,
        "expected_id": ID,
        "crl_file": "",
        "crl": "",
    }
    start_admin({"GET /identity/certificates?identity=default": (200, answer)})
    assert verify() == ExitCode.OK
    assert f"name          {ID}" in capsys.readouterr().out


def test_the_lists_that_the_gateway_follows_count(
    start_admin: StartAdmin, leaf: Leaf, capsys: pytest.CaptureFixture[str]
) -> None:
    serial = x509.load_pem_x509_certificate(leaf.chain_pem.encode()).serial_number
    answer = {
        "identity": "default",
        "chain": leaf.chain_pem,
        "bundle": AUTHORITY.pem,
        "expected_id": ID,
        "crl_file": "",
        "crl": AUTHORITY.crl(serial),
    }
    start_admin({"GET /identity/certificates?identity=default": (200, answer)})
    assert verify("--json") == ExitCode.FAILED
    told = json.loads(capsys.readouterr().out)
    assert [item["check"] for item in told["checks"] if item["result"] == "fail"] == ["revocation"]


def test_a_name_that_no_identity_has(
    start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = 409, {"title": "there is no identity 'x'", "detail": "there are: default"}
    start_admin({"GET /identity/certificates?identity=x": refused})
    assert verify("x") == ExitCode.FAILED
    assert "there is no identity 'x'\nhint: there are: default" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bundle", "b"), "--cert is missing"),
        (("--dir", "d", "--cert", "c"), "--dir names certificate"),
        (("--cert", "missing"), "missing can't be read: no such file"),
    ],
)
def test_what_can_t_be_checked(
    workdir: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(*arguments) != ExitCode.OK
    assert said in capsys.readouterr().err
