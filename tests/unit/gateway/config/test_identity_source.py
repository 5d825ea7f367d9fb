"""The `[identity]` table to a checked value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.identity_source import read_identity
from gateway.config.model import (
    CredentialRef,
    FilesSourceConfig,
    GoogleWifSourceConfig,
    IdentityConfig,
    IssuerSourceConfig,
    SignerConfig,
    SpiffeSourceConfig,
    StepCaSourceConfig,
    VaultSourceConfig,
)
from gateway.config.table import Table
from gateway.errors import ConfigProblem
from identity.endpoint import UnixEndpoint

BASE = Path("/etc/acme")
PIN = "sha256:" + "0a" * 32
LAPTOP = "spiffe://acme.example/agent/laptop"
ISSUER = {"url": "https://issuer", "ca_pin": PIN}
STEP_CA = {
    "url": "https://ca.example:9000",
    "fingerprint": "0a" * 32,
    "provisioner": "dev",
    "provisioner_key_secret": "provisioner",
}


def outcome(raw: dict[str, Any]) -> tuple[IdentityConfig, dict[str, str]]:
    """What is read, and what is wrong by key; hints are appended to messages."""
    found: list[ConfigProblem] = []
    config = read_identity(Table(raw, "identity", found), base=BASE, project="acme")
    return config, {item.key: f"{item.message} | {item.hint}" for item in found}


def read(source: str, table: dict[str, Any], **more: Any) -> IdentityConfig:
    config, problems = outcome({"source": source, source: table, **more})
    assert problems == {}
    return config


def problems(source: str, table: dict[str, Any], **more: Any) -> dict[str, str]:
    return outcome({"source": source, source: table, **more})[1]


def issuer(**changes: Any) -> IssuerSourceConfig:
    source = read("issuer", ISSUER | changes).sources[0]
    assert isinstance(source, IssuerSourceConfig)
    return source


def step_ca(**changes: Any) -> StepCaSourceConfig:
    source = read("step-ca", STEP_CA | changes, spiffe_id=LAPTOP).sources[0]
    assert isinstance(source, StepCaSourceConfig)
    return source


def test_files_as_the_source() -> None:
    table = {"certificate": "c", "private_key": "/k", "trust_bundle": "b"}
    source = FilesSourceConfig(
        certificate=BASE / "c", private_key=Path("/k"), trust_bundle=BASE / "b"
    )
    assert read("files", table) == IdentityConfig(sources=(source,))
    del table["private_key"]
    assert list(problems("files", table)) == ["identity.files.private_key"]


def test_the_source_needs_its_table() -> None:
    assert list(outcome({"source": "files", "issuer": ISSUER})[1]) == ["identity.files"]


def test_an_unknown_source_is_told_with_those_that_are_known() -> None:
    found = outcome({"source": "step_ca", "issuer": ISSUER})[1]
    assert "did you mean step-ca?" in found["identity.source"]


def test_the_other_sources_tables_are_checked_too() -> None:
    assert len(problems("issuer", ISSUER, files={})) == 3
    assert "identity.step-ca.url" in problems("issuer", ISSUER, **{"step-ca": {}})


def test_the_name_may_be_fixed_for_every_source() -> None:
    assert read("issuer", ISSUER, spiffe_id=LAPTOP).spiffe_id == LAPTOP
    for wrong in ("laptop", "spiffe://acme.example", "spiffe://acme.example/a b"):
        assert list(problems("issuer", ISSUER, spiffe_id=wrong)) == ["identity.spiffe_id"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "http://issuer"),
        ("url", "https://issuer/path"),
        ("ca_pin", "sha256:12"),
        ("ca_pin", "0a" * 32),
        ("token_env", "JOIN TOKEN"),
        ("token_secret", "a b"),
        ("token_file", "~/t"),
    ],
)
def test_issuer_settings(key: str, value: str) -> None:
    assert list(problems("issuer", ISSUER | {key: value})) == [f"identity.issuer.{key}"]


def test_a_pin_in_capitals_is_the_same_pin() -> None:
    assert issuer(ca_pin=PIN.upper()).ca_pin == PIN


def test_several_pins_are_as_good() -> None:
    other = "sha256:" + "1b" * 32
    found = issuer(ca_pin=[PIN, other])
    assert (found.ca_pin, found.other_ca_pins) == (PIN, (other,))


@pytest.mark.parametrize(
    ("key", "value", "ref"),
    [
        ("token_file", "t", CredentialRef("file", "/etc/acme/t")),
        ("token_env", "JOIN_TOKEN", CredentialRef("env", "JOIN_TOKEN")),
        ("token_secret", "join-token", CredentialRef("secret", "join-token")),
    ],
)
def test_where_the_join_token_is(key: str, value: str, ref: CredentialRef) -> None:
    assert issuer(**{key: value}).token == ref


def test_one_join_token_only() -> None:
    found = problems("issuer", ISSUER | {"token_file": "a", "token_env": "B", "token_secret": "c"})
    assert list(found) == ["identity.issuer.token_env", "identity.issuer.token_secret"]


def test_step_ca_with_the_key_of_a_provisioner() -> None:
    assert step_ca() == StepCaSourceConfig(
        url="https://ca.example:9000",
        fingerprint="0a" * 32,
        provisioner="dev",
        credential=CredentialRef("secret", "provisioner"),
    )


def test_step_ca_with_a_ready_token_needs_no_provisioner() -> None:
    table = {"url": STEP_CA["url"], "fingerprint": STEP_CA["fingerprint"], "token_file": "t"}
    source = read("step-ca", table, spiffe_id=LAPTOP).sources[0]
    assert isinstance(source, StepCaSourceConfig)
    assert source.credential == CredentialRef("file", "/etc/acme/t")
    assert source.provisioner == ""


def test_a_fingerprint_is_taken_as_openssl_prints_it() -> None:
    assert step_ca(fingerprint=":".join(["0A"] * 32)).fingerprint == "0a" * 32


def test_step_ca_asks_for_a_name() -> None:
    assert list(problems("step-ca", STEP_CA)) == ["identity.spiffe_id"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"url": "http://ca"}, "url"),
        ({"fingerprint": "12"}, "fingerprint"),
        ({"provisioner_key_secret": None}, "provisioner_key_file"),
        ({"provisioner": None}, "provisioner"),
        ({"token_env": "T"}, "token_env"),
        ({"finger": "x"}, "finger"),
    ],
)
def test_step_ca_settings(changes: dict[str, Any], key: str) -> None:
    table = {name: value for name, value in (STEP_CA | changes).items() if value is not None}
    assert list(problems("step-ca", table, spiffe_id=LAPTOP)) == [f"identity.step-ca.{key}"]


VAULT = {"url": "https://vault.example:8200", "role": "agent", "token_secret": "vault-token"}
APPROLE = {
    "url": "https://vault.example:8200",
    "ca_file": "vault-ca.pem",
    "namespace": "team/",
    "mount": "team/pki",
    "role": "agent",
    "ttl_s": 3600,
    "auth": "approle",
    "role_id": "r-1",
    "secret_id_file": "secret-id",
}


def vault(table: dict[str, Any]) -> VaultSourceConfig:
    source = read("vault", table, spiffe_id=LAPTOP).sources[0]
    assert isinstance(source, VaultSourceConfig)
    return source


def test_vault_with_a_token() -> None:
    assert vault(VAULT) == VaultSourceConfig(
        url="https://vault.example:8200",
        ca_file=None,
        namespace="",
        mount="pki",
        role="agent",
        ttl_s=None,
        auth="token",
        auth_mount="token",
        auth_role="",
        role_id="",
        credential=CredentialRef("secret", "vault-token"),
    )


def test_vault_with_an_approle() -> None:
    assert vault(APPROLE) == VaultSourceConfig(
        url="https://vault.example:8200",
        ca_file=BASE / "vault-ca.pem",
        namespace="team",
        mount="team/pki",
        role="agent",
        ttl_s=3600,
        auth="approle",
        auth_mount="approle",
        auth_role="",
        role_id="r-1",
        credential=CredentialRef("file", "/etc/acme/secret-id"),
    )


def test_vault_with_a_jwt() -> None:
    table = {"url": "https://v", "role": "agent", "auth": "jwt", "auth_role": "gw", "jwt_env": "J"}
    source = vault(table | {"auth_mount": "gitlab"})
    assert (source.auth_mount, source.auth_role) == ("gitlab", "gw")
    assert source.credential == CredentialRef("env", "J")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"url": "http://vault"}, "url"),
        ({"role": None}, "role"),
        ({"role": "../sys"}, "role"),
        ({"mount": "a b"}, "mount"),
        ({"auth": "ldap"}, "auth"),
        ({"token_secret": None}, "token_file"),
        ({"ttl_s": 1}, "ttl_s"),
        ({"auth": "approle", "secret_id_env": "S", "token_secret": None}, "role_id"),
        ({"auth": "jwt", "jwt_env": "J", "token_secret": None}, "auth_role"),
    ],
)
def test_vault_settings(changes: dict[str, Any], key: str) -> None:
    table = {name: value for name, value in (VAULT | changes).items() if value is not None}
    assert list(problems("vault", table, spiffe_id=LAPTOP)) == [f"identity.vault.{key}"]


def spiffe(**raw: Any) -> SpiffeSourceConfig:
    config, found = outcome({"source": "spiffe"} | raw)
    assert found == {}
    assert isinstance(config.sources[0], SpiffeSourceConfig)
    return config.sources[0]


def test_spiffe_needs_no_table() -> None:
    assert spiffe() == spiffe(spiffe={}) == SpiffeSourceConfig()


def test_spiffe_with_a_socket_and_a_hint() -> None:
    table = {"socket": "unix:///run/spire/agent.sock", "hint": "external"}
    assert spiffe(spiffe=table) == SpiffeSourceConfig(
        endpoint=UnixEndpoint("/run/spire/agent.sock"), hint="external"
    )


def test_a_socket_of_another_form_is_refused() -> None:
    found = problems("spiffe", {"socket": "unix:agent.sock"})
    assert "unix:///PATH" in found["identity.spiffe.socket"]


FILES = {"certificate": "c", "private_key": "k", "trust_bundle": "b"}


def test_several_sources_in_their_order() -> None:
    raw = {"sources": ["spiffe", "step-ca", "files"], "step-ca": STEP_CA, "files": FILES}
    config, found = outcome(raw | {"spiffe_id": LAPTOP})
    assert found == {}
    assert [source.name for source in config.sources] == ["spiffe", "step-ca", "files"]


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        ({"sources": []}, ["identity.sources"]),
        ({"sources": "files"}, ["identity.sources"]),
        ({"sources": ["files", "file"]}, ["identity.sources[1]"]),
        ({"sources": ["files", "files"]}, ["identity.sources[1]"]),
        ({"sources": ["files", "vault"]}, ["identity.vault", "identity.spiffe_id"]),
        ({"sources": ["files"], "source": "files"}, ["identity.source"]),
    ],
)
def test_lists_of_sources_that_are_refused(raw: dict[str, Any], keys: list[str]) -> None:
    assert list(outcome({"files": FILES} | raw)[1]) == keys


GOOGLE = {"credential_file": "wif.json", "ca_pool": "projects/p/locations/l/caPools/c"}
SIGNER = {"signer_key_secret": "k", "signer_issuer": "https://me", "signer_subject": "agent:me"}


def google(**changes: Any) -> GoogleWifSourceConfig:
    source = read("google-wif", GOOGLE | changes, spiffe_id=LAPTOP).sources[0]
    assert isinstance(source, GoogleWifSourceConfig)
    return source


def test_google_wif_as_it_is_used() -> None:
    assert google() == GoogleWifSourceConfig(
        credential_file=BASE / "wif.json",
        ca_pool="projects/p/locations/l/caPools/c",
        cas_url="https://privateca.googleapis.com:443",
        allowed_hosts=(
            "sts.googleapis.com",
            "sts.mtls.googleapis.com",
            "iamcredentials.googleapis.com",
            "privateca.googleapis.com",
        ),
        subject_mode="REFLECTED_SPIFFE",
        lifetime_s=3600,
        ca_file=None,
        allow_executables=False,
        signer=None,
    )


def test_google_wif_with_other_hosts() -> None:
    source = google(cas_url="https://127.0.0.1:9", allowed_hosts=["127.0.0.1:9", "STS.example:443"])
    assert source.allowed_hosts == ("127.0.0.1:9", "sts.example")


def test_google_wif_with_a_key_of_our_own() -> None:
    assert google(**SIGNER).signer == SignerConfig(
        issuer="https://me", subject="agent:me", key=CredentialRef("secret", "k")
    )


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"credential_file": None}, "credential_file"),
        ({"ca_pool": None}, "ca_pool"),
        ({"ca_pool": "projects/p"}, "ca_pool"),
        ({"ca_pool": "projects/p/locations/l/caPools/c?x"}, "ca_pool"),
        ({"allowed_hosts": ["sts.googleapis.com"]}, "allowed_hosts"),
        ({"allowed_hosts": ["privateca.googleapis.com", "a/b"]}, "allowed_hosts[1]"),
        ({"cas_url": "https://other.example"}, "allowed_hosts"),
        ({"cas_url": "http://privateca.googleapis.com"}, "cas_url"),
        ({"subject_mode": "RDN_SEQUENCE"}, "subject_mode"),
        ({"lifetime_s": 1}, "lifetime_s"),
        ({"allow_executables": "yes"}, "allow_executables"),
        ({"signer_issuer": "https://me"}, "signer_issuer"),
        (SIGNER | {"signer_subject": None}, "signer_subject"),
    ],
)
def test_google_wif_settings(changes: dict[str, Any], key: str) -> None:
    table = {name: value for name, value in (GOOGLE | changes).items() if value is not None}
    assert list(problems("google-wif", table, spiffe_id=LAPTOP)) == [f"identity.google-wif.{key}"]
