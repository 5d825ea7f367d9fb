"""From configuration, identity, header values and addresses to the Snapshot for workers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final

from certs.generation import Generation
from gateway.config.identities import identity_of
from gateway.config.model import Config, Limits, Route, TcpAddress, UnixAddress
from gateway.ipc.snapshot import (
    AllowSpec,
    IdentitySpec,
    LimitsSpec,
    ListenerSpec,
    RouteSpec,
    Snapshot,
    TlsSpec,
    UpstreamSpec,
)

#: Host and port.
Target = tuple[str, int]

#: Of one upstream; what a resolver says beyond that is left out.
_MOST_ADDRESSES: Final = 64
_LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundListener:
    """A listener that is open: `bound` has the port that it really got."""

    id: str
    bound: TcpAddress | UnixAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where an upstream's name leads: the last good (IP literal, port) pairs, and the error if the
    last look-up failed.
    """

    found: tuple[Target, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Attached:
    """What a route's header templates came to; `unavailable` says why they did not.

    `local_tokens` has the SHA-256 (hex) of the local tokens that are set, by their names.
    """

    headers: tuple[tuple[str, str], ...] = ()
    redact: tuple[str, ...] = ()
    unavailable: str = ""
    local_tokens: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Held:
    """What there is of one identity. `reason` says why it can't be used: none was ever obtained
    (`generation` is None then), or the last one has expired and can't be renewed. `renewable_at` is
    the time before which `generation` can have no successor. `crl` has the text of the revocation
    lists that come with it.
    """

    generation: Generation | None
    reason: str = ""
    renewable_at: datetime | None = None
    crl: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class World:
    """All that a Snapshot is made of.

    `identities` is by name, `addresses` is by upstream host and port, the other mappings are by
    route name. `bundles` has the text of each route's own trust bundle; a route without one uses
    its identity's, and that one's revocation lists where `crls` has none for it.
    """

    config: Config
    identities: Mapping[str, Held]
    listeners: Mapping[str, tuple[BoundListener, ...]]
    addresses: Mapping[Target, Addresses] = field(default_factory=dict)
    attached: Mapping[str, Attached] = field(default_factory=dict)
    bundles: Mapping[str, str] = field(default_factory=dict)
    crls: Mapping[str, str] = field(default_factory=dict)


def build(number: int, world: World) -> Snapshot:
    """The numbered Snapshot of `world`."""
    return Snapshot(
        number=number,
        identities=tuple(
            _identity(name, held.generation, held.renewable_at)
            for name, held in world.identities.items()
            if held.generation is not None and not held.reason
        ),
        missing=tuple(
            (name, held.reason) for name, held in world.identities.items() if held.reason
        ),
        routes=tuple(_route(route, world) for route in world.config.routes),
        limits=_limits(world.config.limits),
        access_log=world.config.log.access or bool(world.config.telemetry.otlp_endpoint),
        mcp_peek=world.config.log.mcp_peek,
    )


def accepted_hosts(bound: TcpAddress | UnixAddress, route: Route) -> tuple[str, ...]:
    """Host values that a listener accepts: its own loopback names, and what the route adds; () for
    any. No page that a browser was lured to reaches a Unix socket, or has an ingress's certificate.
    """
    if isinstance(bound, UnixAddress) or route.kind == "ingress":
        return ()
    own = f"[{bound.host}]" if ":" in bound.host else bound.host
    names = dict.fromkeys([*_LOOPBACK_NAMES, own])
    hosts = [f"{name}:{bound.port}" for name in names]
    if bound.port == 80:
        hosts += names
    return tuple(dict.fromkeys([*hosts, *(host.lower() for host in route.allowed_hosts)]))


def _identity(name: str, generation: Generation, renewable_at: datetime | None) -> IdentitySpec:
    return IdentitySpec(
        name=name,
        generation=generation.number,
        key_pem=generation.key_pem.decode(),
        chain_pem=generation.chain_pem.decode(),
        spiffe_id=generation.spiffe_id,
        not_after=generation.not_after.timestamp(),
        renewable_at=renewable_at.timestamp() if renewable_at else 0.0,
    )


def _route(route: Route, world: World) -> RouteSpec:
    # Not asked yet is not the same as nothing to attach: never send a request without its headers.
    waits = route.headers or any(rule.token for rule in route.allow)
    missing = Attached(unavailable="its secrets are still being read" if waits else "")
    attached = world.attached.get(route.name, missing)
    return RouteSpec(
        name=route.name,
        listeners=tuple(_listener(item, route) for item in world.listeners.get(route.name, ())),
        upstream=_upstream(route, world),
        tls=_tls(route, world),
        pass_headers=_passed(route),
        headers=attached.headers,
        redact=attached.redact,
        unavailable=attached.unavailable,
        allow=tuple(
            AllowSpec(
                uid=rule.uid,
                exe=rule.exe,
                token=rule.token,
                token_sha256=attached.local_tokens.get(rule.token, ""),
            )
            for rule in route.allow
        ),
        kind=route.protocol,
        ingress=route.kind == "ingress",
        affinity=route.affinity,
        identity=identity_of(route, world.config),
        auth=route.auth,
        rewrite_metadata=route.rewrite_metadata,
        refreshable=_is_refreshable(route),
        sse_keep_alive_s=route.sse_keep_alive_s,
        agent_card=route.agent_card,
        tunnels=_tunnels(route, world) if route.agent_card == "rewrite" else (),
    )


def _tunnels(route: Route, world: World) -> tuple[tuple[str, str], ...]:
    """Of the routes on the same side that carry bytes to the same host, where each of their
    listeners leads to.
    """
    return tuple(
        (f"{_bracketed(other.upstream_host)}:{other.upstream_port}", str(listener.bound))
        for other in world.config.routes
        if other.protocol == "tcp"
        and (other.kind == "ingress") == (route.kind == "ingress")
        and other.upstream_host == route.upstream_host
        for listener in world.listeners.get(other.name, ())
        if isinstance(listener.bound, TcpAddress)
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host.lower()


def _is_refreshable(route: Route) -> bool:
    """Whether the upstream's 401 is one to the route's own credentials, of which there are some."""
    is_ours = route.kind != "ingress" and route.auth == "inject"
    return is_ours and any(template.value_names for template in route.headers)


def _passed(route: Route) -> tuple[str, ...]:
    """What a client sends and the upstream gets, beside what is passed by default."""
    credential = ["authorization"] if route.auth == "passthrough" else []
    return tuple(dict.fromkeys([*(name.lower() for name in route.pass_headers), *credential]))


def _listener(listener: BoundListener, route: Route) -> ListenerSpec:
    hosts = accepted_hosts(listener.bound, route)
    origins = [f"http://{host}" for host in hosts]
    origins += [origin.lower() for origin in route.allowed_origins]
    return ListenerSpec(
        id=listener.id,
        address=str(listener.bound),
        hosts=hosts,
        origins=tuple(dict.fromkeys(origins)),
    )


def _upstream(route: Route, world: World) -> UpstreamSpec:
    """Requests are spread over the addresses of all targets; of a name that has some of both IP
    families, over those of the family that the system prefers: both lead to the same machines.
    """
    preferred: list[Target] = []
    others: list[Target] = []
    errors: list[str] = []
    for target in route.targets:
        known = world.addresses.get(target, Addresses())
        for address in known.found:
            is_like_first = (":" in address[0]) == (":" in known.found[0][0])
            (preferred if is_like_first else others).append(address)
        if not known.found:
            errors.append(known.error or f"{target[0]} is still being looked up")
    addresses = tuple(dict.fromkeys(preferred))[:_MOST_ADDRESSES]
    return UpstreamSpec(
        authority=route.upstream_authority,
        addresses=addresses,
        alternatives=tuple(
            address for address in dict.fromkeys(others) if address not in addresses
        )[:_MOST_ADDRESSES],
        resolve_error="" if addresses else "; ".join(errors),
    )


def _tls(route: Route, world: World) -> TlsSpec:
    own_bundle = world.bundles.get(route.name)
    held = world.identities.get(identity_of(route, world.config))
    generation = held.generation if held else None
    identity_bundle = generation.bundle_pem.decode() if generation else ""
    identity_crl = held.crl if held and own_bundle is None else ""
    return TlsSpec(
        server_name=route.server_name,
        peers=tuple(str(peer) for peer in route.peer),
        bundle_pem=identity_bundle if own_bundle is None else own_bundle,
        crl_pem=world.crls.get(route.name, identity_crl),
        alpn=route.alpn,
    )


def _limits(limits: Limits) -> LimitsSpec:
    return LimitsSpec(**{item.name: getattr(limits, item.name) for item in fields(LimitsSpec)})
