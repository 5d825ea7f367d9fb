"""The checked configuration as immutable values. Every path in it is absolute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final, Literal

from gateway.config.audit_model import AuditConfig
from gateway.config.join_ways import BoundKeyConfig, IdTokenConfig
from gateway.config.join_ways import CredentialRef as CredentialRef
from gateway.config.mfa_policy import MfaConfig
from gateway.config.rotate_model import RotateConfig
from identity.endpoint import Endpoint

#: What a route that carries HTTP says inside TLS.
HTTP_ALPN: Final = ("http/1.1",)
#: The header by which MCP names a session (streamable HTTP, 2025-03-26 to 2025-11-25).
MCP_SESSION: Final = "Mcp-Session-Id"
_OWN_PORTS: Final = {"https": 443, "http": 80}


#: What the identity of the `[identity]` table is called.
DEFAULT_IDENTITY: Final = "default"
#: Stands for the exporter where otherwise a route's name says who uses a secret.
TELEMETRY: Final = "[telemetry]"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """An address to listen on: `host` is an IP literal, nearly always "127.0.0.1" or "::1"."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A Unix socket to listen on, made with mode 0600."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class PeerName:
    """One name that the far side's certificate may carry: a SPIFFE id, a DNS name or an IP.

    Of an ingress it may be a pattern: a SPIFFE id in whose path `*` stands for one segment and a
    last `**` for one or more.
    """

    kind: Literal["spiffe", "dns", "ip"]
    value: str

    def __str__(self) -> str:
        return self.value if self.kind == "spiffe" else f"{self.kind}:{self.value}"


@dataclass(frozen=True, slots=True)
class HeaderTemplate:
    """A header that the route attaches: `parts` alternate literal text and names of values.

    "Bearer {secret:planner-token}" becomes parts ("Bearer ", "planner-token", ""): even indexes
    are literal text, odd indexes name secrets of the configuration's project, or with
    `TOKEN_PREFIX` its tokens.
    """

    name: str
    parts: tuple[str, ...]

    @property
    def value_names(self) -> tuple[str, ...]:
        """All that the value needs, in order; tokens with their prefix."""
        return self.parts[1::2]

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The secrets that the value needs, in order."""
        return tuple(name for name in self.value_names if not name.startswith(TOKEN_PREFIX))

    @property
    def token_names(self) -> tuple[str, ...]:
        """The tokens that the value needs, in order."""
        return tuple(
            name.removeprefix(TOKEN_PREFIX)
            for name in self.value_names
            if name.startswith(TOKEN_PREFIX)
        )


#: What tells a token from a secret among the names of a template; no secret's name has a colon.
TOKEN_PREFIX: Final = "token:"  # noqa: S105 - a prefix

#: What the names of the secrets begin with that hold local tokens.
LOCAL_PREFIX: Final = "local-token."


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowRule:
    """Callers that may use a route: all that is set has to be so.

    `token` names a local token, kept as the secret `token_secret` of the project.
    """

    uid: int | None = None
    exe: str = ""
    token: str = ""

    @property
    def token_secret(self) -> str:
        """The name of the secret that holds the token."""
        return LOCAL_PREFIX + self.token


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One listener (or several) and the one upstream that it leads to.

    Attributes:
        kind: "http" and "tcp" lead from this machine to an upstream over mutual TLS, "ingress" from
            callers over mutual TLS to a plaintext agent on this machine.
        protocol: what is carried: HTTP/1.1, or bytes as they are.
        upstream_host: a DNS name, an IP literal, or the absolute path of a Unix socket, whose
            `upstream_port` is 0.
        addresses: where connections to the upstream lead, names or IP literals with ports; none
            means its own host and port.
        affinity: the header that names a session, whose requests stay at one address; "" for none.
        peer: names of the upstream; for an ingress patterns of the callers.
        alpn: the application protocols that are spoken inside TLS, best first.
        identity: names the table of the identity that is shown.
    """

    name: str
    kind: Literal["http", "tcp", "ingress"] = "http"
    protocol: Literal["http", "tcp"] = "http"
    listen: tuple[TcpAddress | UnixAddress, ...]
    upstream_host: str
    upstream_port: int
    addresses: tuple[tuple[str, int], ...] = ()
    affinity: str = MCP_SESSION
    server_name: str
    peer: tuple[PeerName, ...]
    alpn: tuple[str, ...] = HTTP_ALPN
    identity: str = DEFAULT_IDENTITY
    trust_bundle: Path | None = None
    crl: Path | None = None
    pass_headers: tuple[str, ...] = ()
    headers: tuple[HeaderTemplate, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    allow: tuple[AllowRule, ...] = ()

    @property
    def targets(self) -> tuple[tuple[str, int], ...]:
        """What is looked up and dialled."""
        return self.addresses or ((self.upstream_host, self.upstream_port),)

    @property
    def upstream_authority(self) -> str:
        """Host header and origin authority of the upstream: no port when it is the scheme's own."""
        if not self.upstream_port:
            return "localhost"
        host = f"[{self.upstream_host}]" if ":" in self.upstream_host else self.upstream_host
        own_port = _OWN_PORTS.get(self.upstream_scheme)
        return host if self.upstream_port == own_port else f"{host}:{self.upstream_port}"

    @property
    def upstream_scheme(self) -> str:
        """How the upstream is spoken to: plaintext for an ingress only."""
        if self.kind == "ingress":
            return self.protocol
        return "https" if self.protocol == "http" else "tls"

    @property
    def upstream_url(self) -> str:
        """The upstream for people, as it is configured."""
        if not self.upstream_port:
            return f"unix:{self.upstream_host}"
        return f"{self.upstream_scheme}://{self.upstream_authority}"

    def listen_url(self, address: str) -> str:
        """One of the listeners for people: over TLS for an ingress only."""
        if address.startswith("unix:"):
            return address
        inward = {"http": "https", "tcp": "tls"}[self.protocol]
        return f"{inward if self.kind == 'ingress' else self.protocol}://{address}"


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


@dataclass(frozen=True, slots=True)
class InjectedVariable:
    """An environment variable: `parts` is text in turn with names of secrets, or of tokens with
    `TOKEN_PREFIX`, beginning and ending with text.
    """

    name: str
    parts: tuple[str, ...]

    @property
    def value_names(self) -> tuple[str, ...]:
        """All that it needs; tokens with their prefix."""
        return self.parts[1::2]

    @property
    def token_names(self) -> tuple[str, ...]:
        """The tokens that it needs."""
        tokens = (name for name in self.value_names if name.startswith(TOKEN_PREFIX))
        return tuple(name.removeprefix(TOKEN_PREFIX) for name in tokens)

    def filled(self, values: Mapping[str, str]) -> str:
        """The value; `values` has all that `value_names` has."""
        return "".join(values[part] if index % 2 else part for index, part in enumerate(self.parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """`[run]`: `env` is what a program gets; `secrets` may be given beside it by the command line;
    `dangerous` names may be set although they steer programs.
    """

    env: tuple[InjectedVariable, ...] = ()
    secrets: tuple[str, ...] = ()
    dangerous: frozenset[str] = frozenset()

    @property
    def allowed(self) -> frozenset[str]:
        """All that a program may get: names of secrets, and of tokens with their prefix."""
        named = {name for item in self.env for name in item.value_names}
        return frozenset(named | set(self.secrets))


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
class SupabaseTokenConfig:
    """`[tokens.NAME]` with source "supabase": the session that `login supabase` began.

    `url` is the project's; `publishable_key` goes with every request, and is no secret.
    """

    name: str
    url: str
    publishable_key: str
    audience: str
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClientConfig:
    """Who asks a token endpoint; a public client has no `secret`."""

    id: str
    secret: CredentialRef | None
    method: Literal["basic", "post"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentialsConfig:
    """`[tokens.NAME]` with source "client-credentials": RFC 6749 section 4.4."""

    name: str
    token_url: str
    client: OAuthClientConfig
    scope: str
    audience: str
    resource: str
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenExchangeConfig:
    """`[tokens.NAME]` with source "token-exchange": RFC 8693."""

    name: str
    token_url: str
    client: OAuthClientConfig | None
    scope: str
    audience: str
    resource: str
    ca_file: Path | None
    subject: CredentialRef
    subject_type: str
    requested_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleTokenConfig:
    """`[tokens.NAME]` with source "google": an ID token for `audience`, or an access token with
    `scopes` where that is "".
    """

    name: str
    credential_file: Path
    audience: str
    scopes: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    ca_file: Path | None
    allow_executables: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecTokenConfig:
    """`[tokens.NAME]` with source "exec": what a program prints. `pass_env` names variables."""

    name: str
    command: tuple[str, ...]
    pass_env: tuple[str, ...]
    timeout_s: float
    refresh_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTokenConfig:
    """`[tokens.NAME]` with source "file": what somebody else writes into a file."""

    name: str
    path: Path


TokenConfig = (
    SupabaseTokenConfig
    | ClientCredentialsConfig
    | TokenExchangeConfig
    | GoogleTokenConfig
    | ExecTokenConfig
    | FileTokenConfig
)


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
class Config:
    """A whole configuration file, checked. `path` is where it was read from, `identities` are those
    beside the one of `[identity]`; `gateway.config.identities` says what all of it comes to.
    """

    path: Path
    project: str
    identity: IdentityConfig
    routes: tuple[Route, ...]
    admin: AdminConfig
    limits: Limits = field(default_factory=Limits)
    log: LogConfig = field(default_factory=LogConfig)
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
    secrets: SecretsConfig = field(default_factory=SecretsConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    run: RunConfig = field(default_factory=RunConfig)
    mfa: MfaConfig = field(default_factory=MfaConfig)
    identities: Mapping[str, IdentityConfig] = field(default_factory=dict)
    workload_api: WorkloadApiConfig | None = None
    tokens: tuple[TokenConfig, ...] = ()
    configu: ConfiguConfig | None = None
    rotations: tuple[RotateConfig, ...] = ()
