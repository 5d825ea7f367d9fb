"""Everything that a worker needs, as one immutable value: it holds no policy beside this.

The supervisor builds a Snapshot, numbers it, and sends it whole; a worker swaps to it at once.
Bytes that are text in practice (PEM, header values) are `str` so that the wire form is plain JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSpec:
    """One listening socket that the supervisor opened and passed along.

    Attributes:
        id: names the socket for as long as it is open; the fd travels in a `listen` frame.
        address: for people and logs ("127.0.0.1:8701", "unix:/run/x.sock").
        hosts: Host header values that are accepted, lower case; empty on Unix sockets, which no
            browser can reach and where any well-formed Host is accepted.
        origins: Origin header values that are accepted, lower case.
    """

    id: str
    address: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowSpec:
    """Local callers that may use a route: everything set has to be so.

    `token` names the local token, `token_sha256` is its digest in hex, "" while it isn't set.
    """

    uid: int | None
    exe: str
    token: str
    token_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSpec:
    """The one origin that a route leads to.

    Attributes:
        authority: Host header value; "https://" + authority ("http://" for an ingress) is the
            origin that Location values are mapped back from.
        addresses: resolved (IP literal, port) pairs that requests are spread over, or the one
            (path, 0) of a Unix socket; empty with `resolve_error` set when no name can be resolved.
        alternatives: the same machines by their addresses of the other IP family.
    """

    authority: str
    addresses: tuple[tuple[str, int], ...]
    resolve_error: str
    alternatives: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSpec:
    """The mutual TLS of a route: towards its upstream, or from its callers for an ingress.

    Attributes:
        server_name: SNI; "" sends none (an IP literal).
        peers: accepted names of the far side's certificate: "spiffe://…", "dns:…" or "ip:…"; for
            an ingress SPIFFE ids in which `*` stands for one segment and a last `**` for any.
        bundle_pem: authorities that the far side's chain is checked against.
        crl_pem: revocation lists of those authorities; "" checks none.
        alpn: application protocols, offered to an upstream or chosen for a caller, best first.
    """

    server_name: str
    peers: tuple[str, ...]
    bundle_pem: str
    crl_pem: str = ""
    alpn: tuple[str, ...] = ("http/1.1",)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RouteSpec:
    """One route: its listeners, its upstream, and what is attached to each request.

    Attributes:
        kind: what it carries: HTTP/1.1, or bytes as they are.
        affinity: the header that names a session, whose requests stay at one address; "" for none.
        identity: names the one that is shown.
        ingress: whether mutual TLS faces the callers, in front of a local plaintext agent, instead
            of the upstream.
        pass_headers: client headers (lower case) let through that are stripped by default.
        headers: (name, value) attached last; values are whole and secret.
        redact: secret values that must never travel to the client in a response head.
        unavailable: "" or why the route can't serve now (a missing secret, by name).
        allow: which local callers may use the route; none means the gateway's own user.
        auth: whose credentials the upstream gets: the route's, or the client's.
        rewrite_metadata: whether the upstream's OAuth metadata are mapped to the local origin.
        agent_card: whether an A2A agent's card is mapped to the local origin.
        tunnels: where gRPC at the upstream's host is reached instead: of each route of kind tcp
            that leads to that host the HOST:PORT there, and that of a listener.
        refreshable: whether `headers` hold what may be had anew when the upstream refuses it.
        sse_keep_alive_s: after how many silent seconds an event stream gets a comment; 0 for never.
    """

    name: str
    listeners: tuple[ListenerSpec, ...]
    upstream: UpstreamSpec
    tls: TlsSpec
    pass_headers: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    redact: tuple[str, ...]
    unavailable: str
    allow: tuple[AllowSpec, ...] = ()
    kind: Literal["http", "tcp"] = "http"
    ingress: bool = False
    affinity: str = ""
    identity: str = "default"
    auth: Literal["inject", "passthrough"] = "inject"
    rewrite_metadata: bool = False
    refreshable: bool = False
    sse_keep_alive_s: float = 0.0
    agent_card: Literal["keep", "rewrite"] = "keep"
    tunnels: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"RouteSpec({self.name} → {self.upstream.authority})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class IdentitySpec:
    """The client certificate of one generation, in memory form. `not_after` is a Unix time, and so
    is `renewable_at`, before which nobody can hasten the next generation.
    """

    generation: int
    key_pem: str
    chain_pem: str
    spiffe_id: str
    not_after: float
    name: str = "default"
    renewable_at: float = 0.0

    def __repr__(self) -> str:
        return f"IdentitySpec(generation={self.generation}, {self.spiffe_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSpec:
    """Bounds on a worker, in seconds (suffix `_s`), bytes or counts."""

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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Snapshot:
    """The state of the world for workers. `identities` are those that can be used, `missing` has
    the name of each of the others with the reason.

    `access_log` wants a line for each request and not only for failures; `mcp_peek` lets lines name
    an MCP request by the first bytes of its body.
    """

    number: int
    identities: tuple[IdentitySpec, ...]
    missing: tuple[tuple[str, str], ...]
    routes: tuple[RouteSpec, ...]
    limits: LimitsSpec
    access_log: bool = True
    mcp_peek: bool = True

    def __repr__(self) -> str:
        return f"Snapshot({self.number}, {len(self.routes)} routes, {self.identities!r})"

    def to_json(self) -> bytes:
        """The wire form. It holds the private key and header values: never log it."""
        raw = asdict(self)
        pems: dict[str, int] = {}
        for route in raw["routes"]:
            tls = route["tls"]
            for name in _PEMS:
                tls[name] = pems.setdefault(tls[name], len(pems))
        raw["pems"] = list(pems)
        return json.dumps(raw, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Rebuild what `to_json` wrote. The input comes from our own supervisor only."""
        raw: dict[str, Any] = json.loads(data)
        return cls(
            number=raw["number"],
            identities=tuple(IdentitySpec(**identity) for identity in raw["identities"]),
            missing=tuple((name, reason) for name, reason in raw["missing"]),
            routes=tuple(_route(item, raw["pems"]) for item in raw["routes"]),
            limits=LimitsSpec(**raw["limits"]),
            access_log=raw["access_log"],
            mcp_peek=raw["mcp_peek"],
        )


#: What many routes have in common, and may be long: it goes over once, and is kept once.
_PEMS: Final = ("bundle_pem", "crl_pem")


def _route(raw: dict[str, Any], pems: list[str]) -> RouteSpec:
    upstream, tls = raw["upstream"], raw["tls"]
    return RouteSpec(
        name=raw["name"],
        listeners=tuple(
            ListenerSpec(
                id=item["id"],
                address=item["address"],
                hosts=tuple(item["hosts"]),
                origins=tuple(item["origins"]),
            )
            for item in raw["listeners"]
        ),
        upstream=UpstreamSpec(
            authority=upstream["authority"],
            addresses=tuple((host, port) for host, port in upstream["addresses"]),
            resolve_error=upstream["resolve_error"],
            alternatives=tuple((host, port) for host, port in upstream["alternatives"]),
        ),
        tls=TlsSpec(
            server_name=tls["server_name"],
            peers=tuple(tls["peers"]),
            bundle_pem=pems[tls["bundle_pem"]],
            crl_pem=pems[tls["crl_pem"]],
            alpn=tuple(tls["alpn"]),
        ),
        pass_headers=tuple(raw["pass_headers"]),
        headers=tuple((name, value) for name, value in raw["headers"]),
        redact=tuple(raw["redact"]),
        unavailable=raw["unavailable"],
        allow=tuple(AllowSpec(**rule) for rule in raw["allow"]),
        kind=raw["kind"],
        ingress=raw["ingress"],
        affinity=raw["affinity"],
        identity=raw["identity"],
        auth=raw["auth"],
        rewrite_metadata=raw["rewrite_metadata"],
        refreshable=raw["refreshable"],
        sse_keep_alive_s=raw["sse_keep_alive_s"],
        agent_card=raw["agent_card"],
        tunnels=tuple((upstream, listener) for upstream, listener in raw["tunnels"]),
    )
