"""One `[[routes]]` table: its kind, its listeners, where it leads, and what it does on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from posixpath import normpath
from typing import Final, Literal

from gateway.config.addresses import (
    dns_name,
    host_header,
    is_ip,
    listen_addresses,
    local_path,
    web_origin,
)
from gateway.config.auth import read_auth, read_rewriting
from gateway.config.callers import asks_for_token, is_reachable_from_afar, read_rules
from gateway.config.headers import header_name, read_headers, read_passed
from gateway.config.model import (
    DEFAULT_IDENTITY,
    MCP_SESSION,
    PeerName,
    Route,
    TcpAddress,
    UnixAddress,
)
from gateway.config.peers import caller_pattern, peer_for_host, peer_name
from gateway.config.table import Rejected, Table
from gateway.config.upstreams import Origin, dial_address, https_origin, local_origin, tls_origin

#: Of one upstream.
MOST_ADDRESSES: Final = 64
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
# RFC 7301 section 3.1 allows any bytes; the registry has only visible ASCII.
_APPLICATION_PROTOCOL: Final = re.compile(r"[!-~]{1,255}")
_GUARDS: Final = {
    "http": ", or ask every caller for a token with [[routes.allow]]",
    "tcp": "; without headers its callers can show no token",
}
_FORMS: Final = {
    "http": 'the remote agent\'s origin, like "https://HOST:PORT"',
    "tcp": 'where the remote agent listens, like "tls://HOST:PORT"',
    "ingress": 'the agent on this machine, like "http://127.0.0.1:PORT"',
}

# Keys that some routes can't have, and why: refused, because whoever writes one counts on it.
_NO_HEADERS: Final = "headers are neither seen nor attached"
_OF_HTTP: Final = {
    "headers": _NO_HEADERS,
    "pass_headers": _NO_HEADERS,
    "allowed_hosts": _NO_HEADERS,
    "allowed_origins": _NO_HEADERS,
    "affinity": _NO_HEADERS,
    "auth": _NO_HEADERS,
    "rewrite_metadata": _NO_HEADERS,
    "sse_keep_alive_s": _NO_HEADERS,
    "agent_card": _NO_HEADERS,
}
_ONE_AGENT: Final = "it leads to the one agent that upstream names"
_OF_LOCAL_CALLERS: Final = {
    "allow": "its callers are known by their certificates: name them under peer",
    "server_name": "its upstream is spoken to in plaintext",
    "addresses": _ONE_AGENT,
    "affinity": _ONE_AGENT,
    "auth": "a caller's own credentials are meant for the local agent, and are passed on",
    "rewrite_metadata": "the local agent's metadata are passed on as they are",
}

_Protocol = Literal["http", "tcp"]


class RouteReader:
    """Reads the routes of one file in turn, knowing what those before have taken."""

    def __init__(
        self, *, base: Path, project: str, max_socket_path: int, identities: Sequence[str]
    ) -> None:
        self._identities = identities
        self._base = base
        self._project = project
        self._listen: Callable[[str], tuple[TcpAddress | UnixAddress, ...]] = partial(
            listen_addresses, base=base, max_socket_path=max_socket_path
        )
        self._local = partial(local_origin, base=base, max_socket_path=max_socket_path)
        self._names: set[str] = set()
        self._taken: dict[str, str] = {}

    def take(self, address: TcpAddress | UnixAddress, key: str) -> str:
        """Claim an address for the key that names it; returns who has it already, or ""."""
        if isinstance(address, TcpAddress):
            # The system picks another port each time for port 0.
            name = str(address) if address.port else ""
        else:
            name = normpath(address.path)
        return "" if not name or self._taken.setdefault(name, key) == key else self._taken[name]

    def route(self, table: Table) -> Route:
        """The route; where problems were noted in `table`, not one to be used."""
        name = self._name(table)
        kind = table.choice("kind", ("http", "tcp", "ingress"), "http")
        inward = kind == "ingress"
        route = self._ingress(table, name) if inward else self._outward(table, name, kind)
        route = self._tcp(table, route) if route.protocol == "tcp" else self._http(table, route)
        local = partial(local_path, base=self._base)
        bundle, crl = table.converted("trust_bundle", local), table.converted("crl", local)
        identity = table.choice("identity", self._identities, DEFAULT_IDENTITY)
        table.finish()
        return replace(route, identity=identity, trust_bundle=bundle, crl=crl)

    # -- by what faces whom ----------------------------------------------------------------------

    def _outward(self, table: Table, name: str, kind: str) -> Route:
        """From callers on this machine to an upstream, over mutual TLS."""
        table.refuse("protocol", f"a route of kind {kind} has none", 'kind = "ingress" has one')
        protocol: _Protocol = "tcp" if kind == "tcp" else "http"
        rules = read_rules(table, tokens=protocol == "http")
        guard = "" if asks_for_token(rules) else _GUARDS[protocol]
        listen = self._listeners(table, guard)
        origin = https_origin if protocol == "http" else tls_origin
        upstream = _upstream(table, origin, _FORMS[kind])
        server_name = _server_name(table, upstream)
        return Route(
            name=name,
            kind=protocol,
            protocol=protocol,
            listen=listen,
            upstream_host=upstream.host,
            upstream_port=upstream.port,
            addresses=_addresses(table),
            server_name=server_name,
            peer=_peer(table, server_name or upstream.host),
            allow=rules,
        )

    def _ingress(self, table: Table, name: str) -> Route:
        """From callers anywhere, over mutual TLS, to a plaintext agent on this machine."""
        protocol: _Protocol = "http"
        if table.choice("protocol", ("http", "tcp"), "http") == "tcp":
            protocol = "tcp"
        _refuse(table, "an ingress", _OF_LOCAL_CALLERS)
        listen = self._listeners(table, "")
        upstream = _upstream(table, partial(self._local, protocol=protocol), _FORMS["ingress"])
        return Route(
            name=name,
            kind="ingress",
            protocol=protocol,
            listen=listen,
            upstream_host=upstream.host,
            upstream_port=upstream.port,
            server_name="",
            peer=_callers(table),
        )

    # -- by what is carried ----------------------------------------------------------------------

    def _http(self, table: Table, route: Route) -> Route:
        table.refuse("alpn", "HTTP is always spoken as http/1.1", "a tcp route carries others")
        hosts: tuple[str, ...] = ()
        if route.kind == "ingress":
            table.refuse("allowed_hosts", "an ingress answers to any name", "leave it out")
        else:
            hosts = table.distinct("allowed_hosts", host_header)
            route = replace(route, affinity=_affinity(table))
        headers = table.table("headers")
        attached = headers.entries()
        passed = read_passed(table, attached=attached)
        if route.kind == "http":
            auth = read_auth(table, attached=attached, passed=passed)
            route = replace(route, auth=auth, rewrite_metadata=read_rewriting(table, auth))
        return replace(
            route,
            sse_keep_alive_s=table.seconds("sse_keep_alive_s", 0.0, least=1, most=3600),
            agent_card=_agent_card(table),
            pass_headers=passed,
            headers=read_headers(headers, project=self._project),
            allowed_hosts=hosts,
            allowed_origins=table.distinct("allowed_origins", web_origin),
        )

    def _tcp(self, table: Table, route: Route) -> Route:
        _refuse(table, "a route that carries bytes as they are", _OF_HTTP)
        return replace(route, alpn=table.distinct("alpn", _application_protocol))

    # -- parts -----------------------------------------------------------------------------------

    def _name(self, table: Table) -> str:
        if not table.required("name", 'a name for people, like "planner"'):
            return "unnamed"
        name = table.converted("name", _route_name)
        if name is None:
            return "unnamed"
        if name in self._names:
            table.problem("name", f'another route is called "{name}"', "choose another name")
            return name
        self._names.add(name)
        table.key = f"routes.{name}"
        return name

    def _listeners(self, table: Table, guard: str) -> tuple[TcpAddress | UnixAddress, ...]:
        """The addresses; where there is a `guard`, none that other machines can reach: it says
        how callers could be told apart there.
        """
        if not table.required("listen", 'where callers connect, like "127.0.0.1:8701"'):
            return ()
        if table.holds_nothing("listen"):
            table.problem("listen", "is empty", "nobody could use this route")
        addresses: list[TcpAddress | UnixAddress] = []
        for index, group in table.converted_list("listen", self._listen, single=True):
            for address in group:
                if holder := self.take(address, table.at("listen", index)):
                    hint = "give each listener an address of its own"
                    table.problem("listen", f"{address} is taken by {holder}", hint, index=index)
                if guard and is_reachable_from_afar(address):
                    table.problem(
                        "listen",
                        f"{address} is not a loopback address, and other machines could use the "
                        "route's identity and tokens",
                        f"write 127.0.0.1, [::1], localhost or unix:PATH{guard}",
                        index=index,
                    )
                addresses.append(address)
        return tuple(addresses)


def _upstream(table: Table, read: Callable[[str], Origin], form: str) -> Origin:
    nowhere = Origin("unnamed", 443)
    if not table.required("upstream", form):
        return nowhere
    return table.converted("upstream", read) or nowhere


def _addresses(table: Table) -> tuple[tuple[str, int], ...]:
    if table.holds_nothing("addresses"):
        table.problem("addresses", "is empty", "leave it out to dial the upstream's own name")
    addresses = table.distinct("addresses", dial_address)
    if len(addresses) > MOST_ADDRESSES:
        hint = "put a load balancer in front of so many, and name that one"
        table.problem("addresses", f"holds more than {MOST_ADDRESSES}", hint)
    return addresses


def _affinity(table: Table) -> str:
    text = table.text("affinity", MCP_SESSION, empty=True)
    return (table.convert("affinity", text, header_name) or "") if text else ""


def _agent_card(table: Table) -> Literal["keep", "rewrite"]:
    return (
        "rewrite"
        if table.choice("agent_card", ("keep", "rewrite"), "keep") == "rewrite"
        else "keep"
    )


def _server_name(table: Table, upstream: Origin) -> str:
    text = table.text("server_name", empty=True)
    if not text:
        # No SNI for IP literals (RFC 6066 section 3), nor where it is set to nothing.
        silent = "server_name" in table or is_ip(upstream.host)
        return "" if silent else upstream.host
    return table.convert("server_name", text, dns_name) or ""


def _peer(table: Table, host: str) -> tuple[PeerName, ...]:
    if table.holds_nothing("peer"):
        hint = "leave it out to expect the server name or the upstream's host"
        table.problem("peer", "is empty: no upstream would ever be accepted", hint)
    named = tuple(peer for _, peer in table.converted_list("peer", peer_name))
    return named if "peer" in table else (peer_for_host(host),)


def _callers(table: Table) -> tuple[PeerName, ...]:
    """Named one by one or by patterns, and never everybody by default."""
    table.required("peer", 'who may call, like ["spiffe://DOMAIN/agent/*"]')
    if table.holds_nothing("peer"):
        table.problem("peer", "is empty: no caller would ever be let in", "name who may call")
    return tuple(peer for _, peer in table.converted_list("peer", caller_pattern))


def _refuse(table: Table, what: str, reasons: Mapping[str, str]) -> None:
    for name, reason in reasons.items():
        table.refuse(name, f"{what} has none", reason)


def _route_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise Rejected(f"{text!r} is not a route name", "use a–z, 0–9 and '-', 63 at most")
    return text


def _application_protocol(text: str) -> str:
    if not _APPLICATION_PROTOCOL.fullmatch(text):
        raise Rejected(f"{text!r} is not a protocol's name", 'such as "h2"; visible ASCII')
    return text
