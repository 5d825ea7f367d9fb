"""What a checked `[[route]]` holds: listeners, the upstream, names and headers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from gateway.config.identity_model import DEFAULT_IDENTITY
from gateway.config.references import LOCAL_PREFIX, HeaderTemplate

#: What a route that carries HTTP says inside TLS.
HTTP_ALPN: Final = ("http/1.1",)
#: The header by which MCP names a session (streamable HTTP, 2025-03-26 to 2025-11-25).
MCP_SESSION: Final = "Mcp-Session-Id"
_OWN_PORTS: Final = {"https": 443, "http": 80}


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
        auth: whose credentials the upstream gets: the route's, or those that the client sends.
        rewrite_metadata: whether the upstream's OAuth metadata are mapped to the local origin.
        agent_card: whether an A2A agent's card is mapped to the local origin.
        sse_keep_alive_s: after how many silent seconds an event stream gets a comment; 0 for never.
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
    auth: Literal["inject", "passthrough"] = "inject"
    rewrite_metadata: bool = False
    sse_keep_alive_s: float = 0.0
    agent_card: Literal["keep", "rewrite"] = "keep"

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
