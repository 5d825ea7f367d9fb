"""The checked configuration as immutable values. Every path in it is absolute.

Its larger parts have modules of their own; all of them can be imported from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gateway.config.audit_model import AuditConfig
from gateway.config.identity_model import (
    DEFAULT_IDENTITY,
    ExportConfig,
    FilesSourceConfig,
    GoogleWifSourceConfig,
    IdentityConfig,
    IssuerSourceConfig,
    SignerConfig,
    SourceConfig,
    SpiffeSourceConfig,
    StepCaSourceConfig,
    VaultSourceConfig,
)
from gateway.config.join_ways import CredentialRef
from gateway.config.mfa_policy import MfaConfig
from gateway.config.references import LOCAL_PREFIX, TELEMETRY, TOKEN_PREFIX, HeaderTemplate
from gateway.config.rotate_model import RotateConfig
from gateway.config.route_model import (
    HTTP_ALPN,
    MCP_SESSION,
    AllowRule,
    PeerName,
    Route,
    TcpAddress,
    UnixAddress,
)
from gateway.config.run_model import InjectedVariable, RunConfig
from gateway.config.token_model import (
    ClientCredentialsConfig,
    ExecTokenConfig,
    FileTokenConfig,
    GoogleTokenConfig,
    OAuthClientConfig,
    SupabaseTokenConfig,
    TokenConfig,
    TokenExchangeConfig,
)

__all__ = [
    "DEFAULT_IDENTITY",
    "HTTP_ALPN",
    "LOCAL_PREFIX",
    "MCP_SESSION",
    "TELEMETRY",
    "TOKEN_PREFIX",
    "AdminConfig",
    "AllowRule",
    "ClientCredentialsConfig",
    "Config",
    "ConfiguConfig",
    "CredentialRef",
    "ExecTokenConfig",
    "ExportConfig",
    "FileTokenConfig",
    "FilesSourceConfig",
    "GoogleTokenConfig",
    "GoogleWifSourceConfig",
    "HeaderTemplate",
    "IdentityConfig",
    "InjectedVariable",
    "IssuerSourceConfig",
    "Limits",
    "LogConfig",
    "OAuthClientConfig",
    "PeerName",
    "ProjectConfig",
    "Route",
    "RunConfig",
    "SecretsConfig",
    "SignerConfig",
    "SourceConfig",
    "SpiffeSourceConfig",
    "StepCaSourceConfig",
    "SupabaseTokenConfig",
    "TcpAddress",
    "TelemetryConfig",
    "TokenConfig",
    "TokenExchangeConfig",
    "UnixAddress",
    "VaultSourceConfig",
    "WorkloadApiConfig",
    "WorkloadRule",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`[limits]`: seconds (suffix `_s`), bytes or counts."""

    workers: int = 1
    max_connections: int = 10_000
    max_upstream_connections: int = 10_000
    max_waiting_requests: int = 1_000
    max_handshakes: int = 512
    max_buffered_bytes: int = 268_435_456
    max_head_bytes: int = 65_536
    head_timeout_s: float = 30.0
    idle_timeout_s: float = 120.0
    connect_timeout_s: float = 10.0
    response_timeout_s: float = 600.0
    upstream_idle_timeout_s: float = 50.0
    linger_timeout_s: float = 0.0
    drain_timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """`[log]`: how much is said; `file` None means standard error, `format` "auto" text on a
    terminal and JSON everywhere else.

    `mcp_peek` names MCP requests of older clients by the first bytes of their bodies.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    access: bool = True
    mcp_peek: bool = True
    file: Path | None = None
    format: Literal["auto", "json", "text"] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsConfig:
    """`[secrets]`: the store that secrets are read from.

    `folder` is set for store "folder", and for a vault that is not the user's own. `auto_lock_s` is
    how long an unlocked vault may be unused; 0 means for ever.
    """

    store: Literal["keychain", "vault", "folder", "memory"] = "keychain"
    folder: Path | None = None
    auto_lock_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguConfig:
    """`[configu]`: the set of an organization that is the authority over the project's secrets.

    `schemas` declare which configs there are; with a `tag` it is their state of then. It is asked
    every `interval_s`; what it said counts for `max_offline_s` after its last answer.
    """

    url: str
    org: str
    set: str
    schemas: tuple[Path, ...]
    tag: str
    interval_s: float
    max_offline_s: float
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminConfig:
    """`[admin]`: where the running gateway is asked and told things."""

    socket: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRule:
    """A caller of the Workload API, by user and program ("": any), and the names of the identities
    that it gets; none stands for all.
    """

    uid: int
    exe: str = ""
    identities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadApiConfig:
    """`[workload_api]`: without rules the gateway's own user gets all identities."""

    socket: Path
    allow: tuple[WorkloadRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """`[telemetry]`: metrics are on `metrics_listen`, too. Spans go to `otlp_endpoint` ("": none)
    with `otlp_headers`; `sample_ratio` is the part that is sent of requests without a trace.
    """

    metrics_listen: TcpAddress | None = None
    otlp_endpoint: str = ""
    sample_ratio: float = 1.0
    otlp_headers: tuple[HeaderTemplate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectConfig:
    """What a configuration says of a project's secrets. `path` is where it was read from, `place`
    where that was, as `Reading` has it.
    """

    path: Path
    place: Path
    project: str
    secrets: SecretsConfig = field(default_factory=SecretsConfig)
    mfa: MfaConfig = field(default_factory=MfaConfig)
    tokens: tuple[TokenConfig, ...] = ()
    configu: ConfiguConfig | None = None
    rotations: tuple[RotateConfig, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ProjectConfig):
    """A whole configuration file, checked. `identities` are those beside the one of `[identity]`;
    `gateway.config.identities` says what all of it comes to.
    """

    identity: IdentityConfig
    routes: tuple[Route, ...]
    admin: AdminConfig
    limits: Limits = field(default_factory=Limits)
    log: LogConfig = field(default_factory=LogConfig)
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    run: RunConfig = field(default_factory=RunConfig)
    identities: Mapping[str, IdentityConfig] = field(default_factory=dict)
    workload_api: WorkloadApiConfig | None = None
