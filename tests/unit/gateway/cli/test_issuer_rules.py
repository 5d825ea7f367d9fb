"""`devwiz-gw issuer token --method …`, `rules`, `change-rule` and `remove-rule`."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from certs import keys
from certs.issuer.folder import open_issuer
from certs.issuer.joins.rules import TokenTerms
from gateway.cli.main import main
from gateway.config.parse import parse
from identity.join import RegistrationSecret
from identity.secret_stores.base import Secret
from tests.fakes.bound_key import public_pem
from tests.fakes.oidc_provider import OidcProvider

OIDC = (
    *("--method", "oidc", "--provider", "https://idp.acme.example", "--audience", "gw"),
    *("--claim", "sub=agent:ci"),
)


@pytest.fixture
def folder(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """An issuer made by the command."""
    folder = workdir / "issuer"
    assert main(["issuer", "init", "--dir", str(folder), "--trust-domain", "acme.example"]) == 0
    capsys.readouterr()
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints."""
    assert main(["issuer", *arguments]) == 0
    return capsys.readouterr().out


def made(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What `issuer token` prints."""
    return run(capsys, "token", "--dir", str(folder), "--name", "ci", *options)


def listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = json.loads(run(capsys, "rules", "--dir", str(folder), "--json"))
    return rules


@pytest.mark.parametrize(
    "options",
    [OIDC, ("--method", "bound-key"), ("--method", "bound-key", "--out", "secret")],
)
def test_what_is_printed_is_a_configuration(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    table = tomllib.loads(made(folder, capsys, *options))
    route = {
        "name": "r",
        "listen": "127.0.0.1:8701",
        "upstream": "https://127.0.0.1:1",
        "peer": ["spiffe://acme.example/agent/x"],
    }
    config = parse(
        {"project": "acme", **table, "routes": [route]}, path=folder / "c.toml", max_socket_path=100
    )
    (source,) = config.identity.sources
    assert source.name == "issuer"


def test_an_oidc_rule_is_kept_as_it_was_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(
        folder,
        capsys,
        *OIDC,
        *("--claim", "sub=agent:other", "--claim-like", "ref=refs/heads/*", "--rule", "builds"),
        *("--algorithm", "ES384", "--jwks-host", "keys.acme.example"),
    )
    opened = open_issuer(folder)
    ((rule, _),) = opened.rule_book.all()
    opened.service.close()
    assert (rule.name, rule.binding.workload) == ("builds", "ci")
    assert isinstance(rule.terms, TokenTerms)
    ((subject, ref),) = rule.terms.alternatives
    assert (subject.path, subject.equals) == ("sub", ("agent:ci", "agent:other"))
    assert (ref.path, ref.like) == ("ref", ("refs/heads/*",))
    assert rule.terms.algorithms == ("ES384",)
    assert rule.terms.provider.key_hosts == ("keys.acme.example",)


def test_a_cluster_with_an_uploaded_key_set(
    folder: Path, capsys: pytest.CaptureFixture[str], workdir: Path
) -> None:
    idp = OidcProvider()
    idp.close()
    (workdir / "jwks.json").write_text(json.dumps(idp.jwks))
    made(
        folder,
        capsys,
        *("--method", "kubernetes", "--audience", "gw", "--jwks-file", "jwks.json"),
        *("--service-account", "agents/planner", "--service-account", "agents/ci-*"),
    )
    (rule,) = listed(folder, capsys)
    assert rule["provider"] == "https://kubernetes.default.svc.cluster.local"
    assert rule["keys"] == "uploaded"
    assert len(rule["claims"]) == 2
    shown = run(capsys, "rules", "--dir", str(folder))
    assert "system:serviceaccount:agents:planner" in shown


def test_a_bound_key_registers_with_a_secret_in_a_file(
    folder: Path, capsys: pytest.CaptureFixture[str], workdir: Path
) -> None:
    printed = made(folder, capsys, "--method", "bound-key", "--out", "secret")
    file = workdir / "secret"
    secret = RegistrationSecret.parse(Secret(file.read_text()))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret.secret.reveal() not in printed
    assert tomllib.loads(printed)["identity"]["issuer"]["registration_file"] == str(file)
    (rule,) = listed(folder, capsys)
    assert (rule["is_bound"], rule["joins"], rule["recovery_mode"]) == (False, 0, "relaxed")


def test_a_key_that_is_known_needs_no_secret(
    folder: Path, capsys: pytest.CaptureFixture[str], workdir: Path
) -> None:
    (workdir / "key.pub").write_text(public_pem(keys.generate()))
    printed = made(folder, capsys, "--method", "bound-key", "--public-key", "key.pub", "--json")
    assert set(json.loads(printed)) == {"rule", "method", "spiffe_id", "ca_pin", "ca_pins"}
    (rule,) = listed(folder, capsys)
    assert rule["is_bound"] is True


def test_a_rule_is_changed_and_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = ("--dir", str(folder))
    made(folder, capsys, "--method", "bound-key")
    options = ("--recovery-mode", "standard", "--recovery-limit", "7")
    run(capsys, "change-rule", "ci", *directory, *options)
    (rule,) = listed(folder, capsys)
    assert (rule["recovery_mode"], rule["recovery_limit"]) == ("standard", 7)
    secret = run(capsys, "change-rule", "ci", *directory, "--new-registration")
    assert len(RegistrationSecret.parse(Secret(secret)).id) == 16
    run(capsys, "remove-rule", "ci", *directory)
    assert not listed(folder, capsys)


def test_what_was_done_to_a_rule_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(folder, capsys, "--method", "bound-key")
    for options, told in (
        (("change-rule", "ci", "--recovery-mode", "insecure"), "the join rule ci is changed"),
        (("change-rule", "ci", "--new-registration"), "good once, for 30m 00s"),
        (("remove-rule", "ci"), "the join rule ci is gone"),
    ):
        assert main(["issuer", *options, "--dir", str(folder)]) == 0
        assert told in capsys.readouterr().err


def test_a_rule_can_be_locked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(folder, capsys, *OIDC)
    run(capsys, "lock", "--dir", str(folder), "--token", "rule:ci")
    assert main(["issuer", "lock", "--dir", str(folder), "--token", "rule:nobody"]) == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--claim", "sub=x"), "--claim is not for --method token"),
        (("--recovery-limit", "3"), "--recovery-limit is not for"),
        ((*OIDC, "--service-account", "a/b"), "--service-account is not for"),
        (("--method", "oidc", "--audience", "x", "--claim", "a=b"), "--provider is missing"),
        ((*OIDC[:6],), "lets every token"),
        ((*OIDC, "--claim", "nothing"), "not NAME=VALUE"),
        ((*OIDC, "--claim-like", "sub=*"), "lets everybody in"),
        ((*OIDC, "--algorithm", "none"), "'none' is not usable"),
        ((*OIDC, "--jwks-file", "absent"), "absent can't be read"),
        ((*OIDC, "--jwks-url", "http://idp.example/k"), "can't be fetched"),
        (("--method", "kubernetes", "--audience", "x"), "lets every token"),
        (("--method", "bound-key", "--recovery-limit", "3"), "needs --recovery-mode standard"),
        (("--method", "bound-key", "--public-key", "absent"), "absent can't be read"),
        (("--method", "bound-key", "--rule", "Bad"), "rule name"),
        (("--method", "bound-key", "--out", "/nowhere/secret"), "can't be written"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_impossible_rule_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], complaint: str
) -> None:
    assert main(["issuer", "token", "--dir", str(folder), "--name", "ci", *options]) != 0
    told = capsys.readouterr()
    assert complaint in told.err
    assert "dgwr_" not in told.err + told.out


def test_a_change_of_nothing_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(folder, capsys, *OIDC)
    assert main(["issuer", "change-rule", "ci", "--dir", str(folder)]) != 0
    assert "nothing to change" in capsys.readouterr().err
    options = ("--dir", str(folder), "--recovery-mode", "relaxed")
    assert main(["issuer", "change-rule", "ci", *options]) == 1
    assert "no bound key" in capsys.readouterr().err
