"""One `[[routes]]` table: its listeners, its upstream, and the headers that it handles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from posixpath import normpath
from typing import Final

from gateway.config.addresses import (
    Origin,
    dns_name,
    host_header,
    https_origin,
    is_ip,
    listen_addresses,
    local_path,
    peer_for_host,
    peer_name,
    web_origin,
)
from gateway.config.callers import asks_for_token, is_reachable_from_afar, read_rules
from gateway.config.headers import header_name, header_template, same_name
from gateway.config.model import HeaderTemplate, PeerName, Route, TcpAddress, UnixAddress
from gateway.config.table import Rejected, Table

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class RouteReader:
    """Reads the routes of one file in turn, knowing what those before have taken."""

    def __init__(self, *, base: Path, project: str, max_socket_path: int) -> None:
        self._base = base
        self._project = project
        self._listen: Callable[[str], tuple[TcpAddress | UnixAddress, ...]] = partial(
            listen_addresses, base=base, max_socket_path=max_socket_path
        )
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
        rules = read_rules(table)
        listen = self._listeners(table, guarded=asks_for_token(rules))
        upstream = Origin("unnamed", 443)
        if table.required("upstream", 'the remote agent\'s origin, like "https://HOST:PORT"'):
            upstream = table.converted("upstream", https_origin) or upstream
        server_name = self._server_name(table, upstream)
        bundle = table.converted("trust_bundle", partial(local_path, base=self._base))
        headers = table.table("headers")
        route = Route(
            name=name,
            listen=listen,
            upstream_host=upstream.host,
            upstream_port=upstream.port,
            server_name=server_name,
            peer=self._peer(table, server_name or upstream.host),
            trust_bundle=bundle,
            pass_headers=_pass_headers(table, attached=headers.entries()),
            headers=self._headers(headers),
            allowed_hosts=_distinct(table, "allowed_hosts", host_header),
            allowed_origins=_distinct(table, "allowed_origins", web_origin),
            allow=rules,
        )
        table.finish()
        return route

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

    def _listeners(self, table: Table, *, guarded: bool) -> tuple[TcpAddress | UnixAddress, ...]:
        if not table.required("listen", 'where local agents connect, like "127.0.0.1:8701"'):
            return ()
        if table.holds_nothing("listen"):
            table.problem("listen", "is empty", "nobody could use this route")
        addresses: list[TcpAddress | UnixAddress] = []
        for index, group in table.converted_list("listen", self._listen, single=True):
            for address in group:
                if holder := self.take(address, table.at("listen", index)):
                    hint = "give each listener an address of its own"
                    table.problem("listen", f"{address} is taken by {holder}", hint, index=index)
                if not guarded and is_reachable_from_afar(address):
                    table.problem(
                        "listen",
                        f"{address} is not a loopback address, and other machines could use the "
                        "route's identity and tokens",
                        "write 127.0.0.1, [::1], localhost or unix:PATH, or ask every caller for "
                        "a token with [[routes.allow]]",
                        index=index,
                    )
                addresses.append(address)
        return tuple(addresses)

    def _server_name(self, table: Table, upstream: Origin) -> str:
        text = table.text("server_name", empty=True)
        if not text:
            # No SNI for IP literals (RFC 6066 section 3), nor where it is set to nothing.
            silent = "server_name" in table or is_ip(upstream.host)
            return "" if silent else upstream.host
        return table.convert("server_name", text, dns_name) or ""

    def _peer(self, table: Table, host: str) -> tuple[PeerName, ...]:
        if table.holds_nothing("peer"):
            hint = "leave it out to expect the server name or the upstream's host"
            table.problem("peer", "is empty: no upstream would ever be accepted", hint)
        named = tuple(peer for _, peer in table.converted_list("peer", peer_name))
        return named if "peer" in table else (peer_for_host(host),)

    def _headers(self, table: Table) -> tuple[HeaderTemplate, ...]:
        headers: list[HeaderTemplate] = []
        written: dict[str, str] = {}
        for name in table.entries():
            text = table.text(name, empty=True)
            if table.convert(name, name, header_name) is None:
                continue
            earlier = written.setdefault(same_name(name), name)
            if earlier != name:
                hint = "case, '_' and '-' make no difference to a receiver; keep one"
                table.problem(name, f"is the same header as {earlier}", hint)
            template = partial(header_template, name, project=self._project)
            if header := table.convert(name, text, template):
                headers.append(header)
        return tuple(headers)


def _route_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise Rejected(f"{text!r} is not a route name", "use a–z, 0–9 and '-', 63 at most")
    return text


def _pass_headers(table: Table, *, attached: Iterable[str]) -> tuple[str, ...]:
    managed = {same_name(name) for name in attached}

    def passed(text: str) -> str:
        name = header_name(text)
        if same_name(name) in managed:
            raise Rejected(
                f"{name} is attached by this route",
                "the client's value and the route's can't both be sent; keep one",
            )
        return name.lower()

    return _distinct(table, "pass_headers", passed)


def _distinct(table: Table, name: str, convert: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for _, value in table.converted_list(name, convert)))
