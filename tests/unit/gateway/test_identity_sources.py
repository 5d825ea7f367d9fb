from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from certs.sources.base import IdentitySource
from certs.sources.chain import ChainSource
from certs.sources.files import FilesSource
from certs.sources.google_wif import GoogleWifSource
from certs.sources.issuer import IssuerSource
from certs.sources.spiffe import SpiffeSource
from certs.sources.step_ca import StepCaSource
from certs.sources.vault import VaultSource
from gateway.config.model import (
    CredentialRef,
    GoogleWifSourceConfig,
    IdentityConfig,
    IssuerSourceConfig,
    SignerConfig,
    SourceConfig,
    SpiffeSourceConfig,
    StepCaSourceConfig,
    VaultSourceConfig,
)
from gateway.credentials import reader_of
from gateway.errors import StartFailed
from gateway.identity_sources import open_source
from identity.endpoint import UnixEndpoint
from identity.errors import SecretNotFound
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.fakes import configs

ISSUER = IssuerSourceConfig(url="https://127.0.0.1:8440", ca_pin="sha256:" + "0" * 64, token=None)
STEP_CA = StepCaSourceConfig(
    url="https://127.0.0.1:9000",
    fingerprint="0" * 64,
    provisioner="dev",
    credential=CredentialRef("env", "KEY"),
)
GOOGLE = GoogleWifSourceConfig(
    credential_file=Path("/etc/wif.json"),
    ca_pool="projects/p/locations/l/caPools/c",
    cas_url="https://privateca.googleapis.com:443",
    allowed_hosts=("sts.googleapis.com", "privateca.googleapis.com"),
    subject_mode="REFLECTED_SPIFFE",
    lifetime_s=3600,
    ca_file=None,
    allow_executables=False,
    signer=SignerConfig(issuer="i", subject="s", key=CredentialRef("env", "KEY")),
)
SPIFFE = SpiffeSourceConfig(endpoint=UnixEndpoint("/run/agent.sock"))
VAULT = VaultSourceConfig(
    url="https://127.0.0.1:8200",
    ca_file=None,
    namespace="",
    mount="pki",
    role="agent",
    ttl_s=None,
    auth="token",
    auth_mount="token",
    auth_role="",
    role_id="",
    credential=CredentialRef("env", "VAULT_TOKEN"),
)


async def test_a_credential_is_read_from_where_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "join-token"
    path.write_text("from-file\n")
    store = MemoryStore()
    await store.set(SecretRef("acme", "join"), Secret("from-store"))
    env = {"JOIN": "from-env"}

    async def read(ref: CredentialRef | None) -> str:
        return (await reader_of(ref, "acme", store, env)()).reveal()

    assert await read(CredentialRef("file", str(path))) == "from-file"
    assert await read(CredentialRef("env", "JOIN")) == "from-env"
    assert await read(CredentialRef("secret", "join")) == "from-store"
    with pytest.raises(SecretNotFound, match="ABSENT is empty"):
        await read(CredentialRef("env", "ABSENT"))
    with pytest.raises(SecretNotFound, match="names no join token"):
        await read(None)
    with pytest.raises(FileNotFoundError):
        await read(CredentialRef("file", str(tmp_path / "absent")))


def test_files_are_the_source_of_the_plain_configuration(tmp_path: Path) -> None:
    assert isinstance(open_source(configs.config(tmp_path), MemoryStore(), {}), FilesSource)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (ISSUER, IssuerSource),
        (STEP_CA, StepCaSource),
        (VAULT, VaultSource),
        (SPIFFE, SpiffeSource),
        (GOOGLE, GoogleWifSource),
    ],
)
def test_the_source_is_the_one_that_is_named(
    tmp_path: Path, source: SourceConfig, kind: type[IdentitySource]
) -> None:
    identity = IdentityConfig(sources=(source,), spiffe_id="spiffe://acme.example/agent/laptop")
    config = replace(configs.config(tmp_path), identity=identity)
    opened = open_source(config, MemoryStore(), {})
    assert isinstance(opened, kind)
    assert opened.name == source.name


def test_the_environment_may_name_the_workload_api(tmp_path: Path) -> None:
    config = replace(
        configs.config(tmp_path), identity=IdentityConfig(sources=(SpiffeSourceConfig(),))
    )
    env = {"SPIFFE_ENDPOINT_SOCKET": "unix:///run/agent.sock"}
    assert "unix:///run/agent.sock" in repr(open_source(config, MemoryStore(), env))
    with pytest.raises(StartFailed, match="SPIFFE_ENDPOINT_SOCKET is not set either"):
        open_source(config, MemoryStore(), {})
    with pytest.raises(StartFailed, match=r"SPIFFE_ENDPOINT_SOCKET: .*no absolute path"):
        open_source(config, MemoryStore(), {"SPIFFE_ENDPOINT_SOCKET": "unix:agent.sock"})


def test_several_sources_are_a_chain(tmp_path: Path) -> None:
    identity = IdentityConfig(sources=(SPIFFE, ISSUER))
    opened = open_source(replace(configs.config(tmp_path), identity=identity), MemoryStore(), {})
    assert isinstance(opened, ChainSource)
    assert opened.name == "spiffe-issuer"


def test_without_googles_library_the_start_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "certs.sources.google_token", None)
    identity = IdentityConfig(sources=(GOOGLE,), spiffe_id="spiffe://acme.example/agent/laptop")
    config = replace(configs.config(tmp_path), identity=identity)
    with pytest.raises(StartFailed, match="google-wif") as caught:
        open_source(config, MemoryStore(), {})
    assert "devwiz-gw[google]" in caught.value.hint


def test_each_identity_has_a_source_for_its_own_name(tmp_path: Path) -> None:
    pattern = IdentityConfig(
        sources=(SPIFFE,), spiffe_id="spiffe://acme.example/laptop", derive=True
    )
    config = replace(configs.config(tmp_path), identities={"agents": pattern})
    config = replace(config, routes=(configs.route("planner", identity="agents"),))
    opened = open_source(config, MemoryStore(), {}, name="agents/planner")
    assert isinstance(opened, SpiffeSource)
    assert open_source(config, MemoryStore(), {}).name == "files"
