"""From TOML tables to a checked configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import (
    CredentialRef,
    FilesSourceConfig,
    HeaderTemplate,
    IdentityConfig,
    IssuerSourceConfig,
    Limits,
    LogConfig,
    PeerName,
    Route,
    SecretsConfig,
    TcpAddress,
)
from gateway.config.parse import parse
from gateway.errors import ConfigInvalid
from tests.fakes.config_tables import PIN, file, only_problem, problems, read

ISSUE = f"""
project = "acme"
[identity]
source = "issuer"
[identity.issuer]
url = "https://127.0.0.1:8440"
ca_pin = "{PIN}"
token_file = "join-token"
[identity.files]
certificate = "client.crt"
private_key = "client.key"
trust_bundle = "ca.pem"
[[routes]]
name = "planner"
listen = "127.0.0.1:8701"
upstream = "https://planner.example.com:8443"
server_name = "planner.example.com"
peer = ["spiffe://acme.example/agent/planner"]
trust_bundle = "upstream-ca.pem"
pass_headers = []
[routes.headers]
Authorization = "Bearer {{secret:planner-token}}"
[admin]
socket = "unix:devwiz-gw.sock"
"""


def test_the_documented_example() -> None:
    config = read(tomllib.loads(ISSUE))
    assert config.project == "acme"
    token = CredentialRef("file", "/etc/acme/join-token")
    source = IssuerSourceConfig(url="https://127.0.0.1:8440", ca_pin=PIN, token=token)
    assert config.identity == IdentityConfig(sources=(source,))
    assert config.routes == (
        Route(
            name="planner",
            listen=(TcpAddress("127.0.0.1", 8701),),
            upstream_host="planner.example.com",
            upstream_port=8443,
            server_name="planner.example.com",
            peer=(PeerName("spiffe", "spiffe://acme.example/agent/planner"),),
            trust_bundle=Path("/etc/acme/upstream-ca.pem"),
            headers=(HeaderTemplate("Authorization", ("Bearer ", "planner-token", "")),),
        ),
    )
    assert config.admin.socket == Path("/etc/acme/devwiz-gw.sock")
    assert config.limits == Limits()
    assert config.log == LogConfig()
    assert config.secrets == SecretsConfig()


def test_revocation_lists_of_the_identity_and_of_a_route() -> None:
    raw = file(crl="lists/planner.pem")
    raw["identity"] = raw["identity"] | {"crl": "/run/identity/crl.pem"}
    config = read(raw)
    assert config.routes[0].crl == Path("/etc/acme/lists/planner.pem")
    assert config.identity.crl == Path("/run/identity/crl.pem")
    assert read(file()).identity.crl is read(file()).routes[0].crl is None


def test_everything_that_may_be_left_out() -> None:
    config = read(file())
    assert config.identity.sources[0] == IssuerSourceConfig(
        url="https://issuer:443", ca_pin=PIN, token=None
    )
    only = config.routes[0]
    assert (only.upstream_host, only.upstream_port) == ("u.example", 443)
    assert only.server_name == "u.example"
    assert only.peer == (PeerName("dns", "u.example"),)
    assert config.admin.socket == Path("/etc/acme/devwiz-gw.sock")


def test_all_settings() -> None:
    raw = file() | {
        "limits": {"workers": 2, "head_timeout_s": 5, "idle_timeout_s": 0.5, "drain_timeout_s": 0},
        "log": {"level": "debug", "access": False, "file": "gw.log"},
        "secrets": {"store": "memory"},
    }
    config = read(raw)
    assert config.limits == Limits(
        workers=2, head_timeout_s=5.0, idle_timeout_s=0.5, drain_timeout_s=0.0
    )
    assert config.log == LogConfig(level="debug", access=False, file=Path("/etc/acme/gw.log"))
    assert config.secrets == SecretsConfig(store="memory")


def test_an_empty_file_lacks_everything_at_once() -> None:
    assert list(problems({})) == ["project", "identity.source", "routes"]


def test_an_unknown_key_gets_a_suggestion() -> None:
    raw = file(lisen="127.0.0.1:2") | {"limit": {}}
    found = problems(raw)
    assert found["routes.r.lisen"].startswith("unknown key | did you mean listen? known here: ")
    assert "did you mean limits?" in found["limit"]
    raw = file()
    raw["identity"]["issuer"]["capin"] = "x"
    raw["identity"]["nobody"] = {}
    found = problems(raw)
    assert "did you mean ca_pin?" in found["identity.issuer.capin"]
    assert found["identity.nobody"].startswith("unknown key")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1, "a whole number"), (True, "true or false"), ([], "a list"), ({}, "a table")],
)
def test_a_value_of_the_wrong_kind(value: object, kind: str) -> None:
    assert only_problem("routes.r.upstream", upstream=value).startswith(
        f"should be a text, not {kind}"
    )


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("limits", "workers", 0),
        ("limits", "workers", True),
        ("limits", "workers", 1.5),
        ("limits", "workers", 65),
        ("limits", "max_head_bytes", 100),
        ("limits", "idle_timeout_s", 0),
        ("limits", "idle_timeout_s", float("nan")),
        ("limits", "idle_timeout_s", float("inf")),
        ("limits", "idle_timeout_s", 10**400),
        ("limits", "drain_timeout_s", -1),
        ("log", "level", "loud"),
        ("log", "access", "yes"),
        ("log", "file", "~/log"),
        ("secrets", "store", "file"),
        ("admin", "socket", "devwiz-gw.sock"),
        ("admin", "socket", "unix:"),
        ("admin", "socket", "unix:/" + "x" * 107),
    ],
)
def test_a_setting_out_of_bounds(table: str, key: str, value: object) -> None:
    assert list(problems(file() | {table: {key: value}})) == [f"{table}.{key}"]


def test_a_socket_path_has_to_fit_into_an_address() -> None:
    fits = "unix:/" + "x" * 106
    assert read(file() | {"admin": {"socket": fits}}).admin.socket == Path(fits[5:])
    text = only_problem("routes.r.listen", listen="unix:" + "é" * 60)
    assert "the socket's path is 130 bytes long, and the system allows 107" in text


def test_a_default_admin_socket_has_to_fit_too() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        parse(file(), path=Path("/" + "deep/" * 30 + "devwiz-gw.toml"), max_socket_path=107)
    (problem,) = caught.value.problems
    assert problem.key == "admin.socket"
    assert "shorter path" in problem.hint


@pytest.mark.parametrize("project", ["", "Acme", "a/b", "-a", 7, "x" * 64])
def test_a_project_name_that_no_store_takes(project: object) -> None:
    assert list(problems(file() | {"project": project})) == ["project"]


def test_a_variable_with_a_token_that_no_table_sets_up() -> None:
    found = problems(file() | {"run": {"env": {"A": "token:x"}}})
    assert found["run.env.A"].startswith("there is no token 'x'")


def test_a_vault_may_have_a_folder_and_lock_itself() -> None:
    secrets = {"store": "vault", "folder": "vault", "auto_lock_s": 0}
    expected = SecretsConfig(store="vault", folder=Path("/etc/acme/vault"), auto_lock_s=0.0)
    assert read(file() | {"secrets": secrets}).secrets == expected
    assert read(file() | {"secrets": {"store": "vault"}}).secrets == SecretsConfig(store="vault")
    for wrong in (-1, 31 * 86_400, "1h"):
        found = problems(file() | {"secrets": {"store": "vault", "auto_lock_s": wrong}})
        assert list(found) == ["secrets.auto_lock_s"]
    found = problems(file() | {"secrets": {"store": "keychain", "auto_lock_s": 60}})
    assert list(found) == ["secrets.auto_lock_s"]


def test_the_folder_store_needs_a_folder_and_only_it() -> None:
    secrets = {"store": "folder", "folder": "mounted"}
    expected = SecretsConfig(store="folder", folder=Path("/etc/acme/mounted"))
    assert read(file() | {"secrets": secrets}).secrets == expected
    assert list(problems(file() | {"secrets": {"store": "folder"}})) == ["secrets.folder"]
    assert list(problems(file() | {"secrets": {"folder": "mounted"}})) == ["secrets.folder"]


SECOND = """
[identities.billing]
source = "files"
[identities.billing.files]
certificate = "b.crt"
private_key = "b.key"
trust_bundle = "b-ca.pem"
"""


def with_second(**route: Any) -> dict[str, Any]:
    return file(**route) | tomllib.loads(SECOND)


def test_a_route_shows_the_identity_that_it_names() -> None:
    config = read(with_second(identity="billing"))
    (files,) = config.identities["billing"].sources
    assert isinstance(files, FilesSourceConfig)
    assert files.certificate == Path("/etc/acme/b.crt")
    assert config.routes[0].identity == "billing"
    assert read(with_second()).routes[0].identity == "default"


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (file(identity="billing"), "routes.r.identity"),
        (with_second(identity="biling"), "routes.r.identity"),
        (file() | {"identities": {"default": {}}}, "identities.default"),
        (file() | {"identities": {"a/b": {}}}, 'identities."a/b"'),
        (file() | {"identities": {"billing": {}}}, "identities.billing.source"),
        (file() | {"identities": {"billing": 1}}, "identities.billing"),
        (file() | {"identities": []}, "identities"),
    ],
)
def test_identities_that_make_no_sense_are_told(raw: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read(raw)
    assert key in {problem.key for problem in caught.value.problems}


def test_touches_are_part_of_it() -> None:
    assert not read(file()).mfa.sign_in
    assert read({**file(), "mfa": {"touch": ["sign-in"]}}).mfa.sign_in
