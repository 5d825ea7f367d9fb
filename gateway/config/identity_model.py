"""What a checked `[identity]` or `[identities.NAME]` holds: sources and exports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

from gateway.config.join_ways import BoundKeyConfig, CredentialRef, IdTokenConfig
from identity.endpoint import Endpoint

#: What the identity of the `[identity]` table is called.
DEFAULT_IDENTITY: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSourceConfig:
    """`[identity.issuer]`: the issuer that ships with this program, and the ways to join it, the
    best first. `other_ca_pins` are as good as `ca_pin`.
    """

    name: ClassVar = "issuer"
    url: str
    ca_pin: str
    bound_key: BoundKeyConfig | None = None
    id_token: IdTokenConfig | None = None
    token: CredentialRef | None
    other_ca_pins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSourceConfig:
    """`[identity.files]`: key, chain and bundle written by somebody else."""

    name: ClassVar = "files"
    certificate: Path
    private_key: Path
    trust_bundle: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCaSourceConfig:
    """`[identity.step-ca]`: a smallstep CA. `credential` is the key of the JWK provisioner
    `provisioner`, or a ready token where that is "".
    """

    name: ClassVar = "step-ca"
    url: str
    fingerprint: str
    provisioner: str
    credential: CredentialRef


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSourceConfig:
    """`[identity.vault]`: the PKI engine of a Vault or an OpenBao. `credential` is the token, the
    AppRole's secret id or the JWT, by `auth`.
    """

    name: ClassVar = "vault"
    url: str
    ca_file: Path | None
    namespace: str
    mount: str
    role: str
    ttl_s: int | None
    auth: Literal["token", "approle", "jwt"]
    auth_mount: str
    auth_role: str
    role_id: str
    credential: CredentialRef


@dataclass(frozen=True, slots=True, kw_only=True)
class SpiffeSourceConfig:
    """`[identity.spiffe]`: a SPIFFE Workload API; None is the one that the environment names."""

    name: ClassVar = "spiffe"
    endpoint: Endpoint | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerConfig:
    """`signer_…` of `[identity.google-wif]`: our own OpenID issuer; `key` is its private key."""

    issuer: str
    subject: str
    key: CredentialRef


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleWifSourceConfig:
    """`[identity.google-wif]`: Workload Identity Federation, then a CA pool."""

    name: ClassVar = "google-wif"
    credential_file: Path
    ca_pool: str
    cas_url: str
    allowed_hosts: tuple[str, ...]
    subject_mode: Literal["REFLECTED_SPIFFE", "DEFAULT"]
    lifetime_s: int
    ca_file: Path | None
    allow_executables: bool
    signer: SignerConfig | None


SourceConfig = (
    IssuerSourceConfig
    | FilesSourceConfig
    | StepCaSourceConfig
    | VaultSourceConfig
    | SpiffeSourceConfig
    | GoogleWifSourceConfig
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """`[[identity.export]]`: a folder that key, chain and bundle are written to. After each change
    `command` is run, and `signal` sent to the process that `pid_file` names.
    """

    folder: Path
    combined: bool = False
    command: tuple[str, ...] = ()
    signal: str = ""
    pid_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig:
    """`[identity]` or `[identities.NAME]`: the chosen source, or several, best first.

    Attributes:
        spiffe_id: the name that the certificate must carry; "" leaves it to a source that decides
            names itself.
        derive: whether each route has an identity of its own, named below `spiffe_id`.
        crl: revocation lists of its authorities.
        exports: folders that the gateway writes it to.
        allow_export: whether a command may ask for its key.
    """

    sources: tuple[SourceConfig, ...]
    spiffe_id: str = ""
    derive: bool = False
    crl: Path | None = None
    exports: tuple[ExportConfig, ...] = ()
    allow_export: bool = False
