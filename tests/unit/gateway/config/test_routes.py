"""Routes of the kinds tcp and ingress; those of the kind http are in `test_http_routes.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import AllowRule, HeaderTemplate, PeerName, Route, TcpAddress, UnixAddress
from gateway.config.parse import parse
from gateway.errors import ConfigInvalid

PIN = "sha256:" + "0a" * 32
TCP: dict[str, Any] = {
    "name": "r",
    "kind": "tcp",
    "listen": "127.0.0.1:1",
    "upstream": "tls://u.example:8443",
}
INGRESS: dict[str, Any] = {
    "name": "r",
    "kind": "ingress",
    "listen": "0.0.0.0:8443",
    "upstream": "http://127.0.0.1:9000",
    "peer": ["spiffe://acme.example/agent/*"],
}


def read(route: dict[str, Any]) -> Route:
    raw = {
        "project": "acme",
        "identity": {"source": "issuer", "issuer": {"url": "https://issuer", "ca_pin": PIN}},
        "routes": [route],
    }
    return parse(raw, path=Path("/etc/acme/devwiz-gw.toml"), max_socket_path=107).routes[0]


def problems(route: dict[str, Any]) -> dict[str, str]:
    """What is wrong, by key; hints are appended to messages."""
    with pytest.raises(ConfigInvalid) as caught:
        read(route)
    return {
        item.key.removeprefix("routes.r."): f"{item.message} | {item.hint}"
        for item in caught.value.problems
    }


def test_a_kind_that_is_not_known() -> None:
    assert 'one of "http", "tcp", "ingress"' in problems(TCP | {"kind": "udp"})["kind"]


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_addresses_are_dialled_in_the_upstreams_place(kind: str) -> None:
    scheme = {"http": "https", "tcp": "tls"}[kind]
    upstream = {"kind": kind, "upstream": f"{scheme}://u.example:8443"}
    addresses = ["10.0.0.5:1", "[2001:DB8::1]:2", "Host.example:3", "10.0.0.5:1"]
    route = read(TCP | upstream | {"addresses": addresses})
    assert route.targets == (("10.0.0.5", 1), ("2001:db8::1", 2), ("host.example", 3))
    assert (route.server_name, route.peer) == ("u.example", (PeerName("dns", "u.example"),))
    assert read(TCP | upstream).targets == (("u.example", 8443),)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("10.0.0.5", "is not HOST:PORT"),
        ("10.0.0.5:0", "0 is not a port"),
        ("10.0.0.5:70000", "70000 is not a port"),
        ("2001:db8::1:443", "put an IPv6 address in brackets"),
        ("[fe80::1%eth0]:1", "is not a DNS name"),
        ("https://u:1", "put an IPv6 address in brackets"),
        ("bad name:1", "is not a DNS name"),
    ],
)
def test_an_address_that_is_none(text: str, what: str) -> None:
    found = problems(TCP | {"addresses": ["10.0.0.6:1", text]})
    assert what in found["addresses[1]"]


def test_the_header_that_names_sessions() -> None:
    http = TCP | {"kind": "http", "upstream": "https://u.example"}
    assert read(http).affinity == "Mcp-Session-Id"
    assert read(http | {"affinity": "X-Thread"}).affinity == "X-Thread"
    assert read(http | {"affinity": ""}).affinity == ""
    assert "is not a header name" in problems(http | {"affinity": "a b"})["affinity"]
    assert "the gateway's own" in problems(http | {"affinity": "Host"})["affinity"]
    assert "has none" in problems(TCP | {"affinity": "X-Thread"})["affinity"]
    assert "has none" in problems(INGRESS | {"affinity": "X-Thread"})["affinity"]


def test_one_address_without_its_brackets() -> None:
    said = problems(TCP | {"addresses": "10.0.0.5:1"})["addresses"]
    assert said == 'should be a list, not a text | write it in brackets: addresses = ["…"]'


def test_too_few_and_too_many_addresses() -> None:
    assert "is empty" in problems(TCP | {"addresses": []})["addresses"]
    many = [f"10.0.0.{number}:1" for number in range(65)]
    assert "more than 64" in problems(TCP | {"addresses": many})["addresses"]
    assert "has none" in problems(INGRESS | {"addresses": ["10.0.0.5:1"]})["addresses"]


# tcp


def test_a_tcp_route() -> None:
    assert read(TCP | {"alpn": ["h2", "grpc-exp", "h2"], "allow": [{"uid": 7}]}) == Route(
        name="r",
        kind="tcp",
        protocol="tcp",
        listen=(TcpAddress("127.0.0.1", 1),),
        upstream_host="u.example",
        upstream_port=8443,
        server_name="u.example",
        peer=(PeerName("dns", "u.example"),),
        alpn=("h2", "grpc-exp"),
        allow=(AllowRule(uid=7),),
    )
    assert read(TCP).alpn == ()
    assert read(TCP | {"listen": "unix:r.sock"}).listen == (UnixAddress(Path("/etc/acme/r.sock")),)


@pytest.mark.parametrize(
    ("changes", "key", "why"),
    [
        ({"upstream": "https://u:1"}, "upstream", 'write "tls://HOST:PORT"'),
        ({"upstream": "tls://u"}, "upstream", "names no port"),
        ({"upstream": "tls://u:1/path"}, "upstream", "holds a path"),
        ({"headers": {"X-A": "b"}}, "headers", "headers are neither seen nor attached"),
        ({"pass_headers": ["Cookie"]}, "pass_headers", "neither seen"),
        ({"allowed_hosts": []}, "allowed_hosts", "neither seen"),
        ({"allowed_origins": ["http://a"]}, "allowed_origins", "neither seen"),
        ({"protocol": "tcp"}, "protocol", "a route of kind tcp has none"),
        ({"allow": [{"token": "ide"}]}, "allow[0].token", "has no header for it"),
        ({"alpn": [""]}, "alpn[0]", "is empty"),
        ({"alpn": ["h 2"]}, "alpn[0]", "is not a protocol's name"),
        ({"alpn": ["x" * 256]}, "alpn[0]", "is not a protocol's name"),
        ({"peer": ["spiffe://a/*"]}, "peer[0]", "characters that are not allowed"),
        ({"listen": "0.0.0.0:1"}, "listen", "its callers can show no token"),
        ({"headres": {}}, "headres", "unknown key"),
    ],
)
def test_what_a_tcp_route_can_not_have(changes: dict[str, Any], key: str, why: str) -> None:
    found = problems(TCP | changes)
    assert list(found) == [key]
    assert why in found[key]


def test_a_token_does_not_open_a_tcp_route_to_other_machines() -> None:
    found = problems(TCP | {"listen": "10.0.0.7:1", "allow": [{"token": "ide"}]})
    assert "allow[0].token" in found


def test_http_has_neither_a_protocol_nor_application_protocols() -> None:
    route = {"name": "r", "listen": "127.0.0.1:1", "upstream": "https://u"}
    assert read(route).alpn == ("http/1.1",)
    found = problems(route | {"alpn": ["h2"], "protocol": "http"})
    assert "always spoken as http/1.1" in found["alpn"]
    assert "a route of kind http has none" in found["protocol"]


# ingress


def test_an_ingress() -> None:
    assert read(INGRESS) == Route(
        name="r",
        kind="ingress",
        protocol="http",
        listen=(TcpAddress("0.0.0.0", 8443),),
        upstream_host="127.0.0.1",
        upstream_port=9000,
        server_name="",
        peer=(PeerName("spiffe", "spiffe://acme.example/agent/*"),),
        alpn=("http/1.1",),
    )


def test_an_ingress_with_all_that_it_may_have() -> None:
    route = read(
        INGRESS
        | {
            "listen": ["[::]:8443", "unix:in.sock"],
            "upstream": "unix:agent.sock",
            "peer": ["spiffe://acme.example/a", "spiffe://partner.example/**"],
            "trust_bundle": "callers.pem",
            "headers": {"X-Token": "{secret:t}"},
            "pass_headers": ["Via"],
            "allowed_origins": ["https://a.example"],
        }
    )
    assert (route.upstream_host, route.upstream_port) == ("/etc/acme/agent.sock", 0)
    assert [str(peer) for peer in route.peer] == [
        "spiffe://acme.example/a",
        "spiffe://partner.example/**",
    ]
    assert route.trust_bundle == Path("/etc/acme/callers.pem")
    assert route.headers == (HeaderTemplate("X-Token", ("", "t", "")),)
    assert route.pass_headers == ("via",)
    assert route.allowed_origins == ("https://a.example",)


def test_an_ingress_that_carries_bytes() -> None:
    route = read(
        INGRESS | {"protocol": "tcp", "upstream": "tcp://[::1]:9000", "alpn": ["h2", "http/1.1"]}
    )
    assert (route.kind, route.protocol, route.alpn) == ("ingress", "tcp", ("h2", "http/1.1"))
    assert (route.upstream_host, route.upstream_port) == ("::1", 9000)


@pytest.mark.parametrize(
    ("changes", "key", "why"),
    [
        ({"upstream": "https://127.0.0.1:1"}, "upstream", "should start with http://"),
        ({"upstream": "tcp://127.0.0.1:1"}, "upstream", "should start with http://"),
        ({"upstream": "http://localhost:1"}, "upstream", "localhost is not a loopback address"),
        ({"upstream": "http://10.0.0.7:1"}, "upstream", "plaintext doesn't leave this machine"),
        ({"upstream": "http://0.0.0.0:1"}, "upstream", "is not a loopback address"),
        ({"upstream": "http://[::ffff:127.0.0.1]:1"}, "upstream", "is not a loopback address"),
        ({"upstream": "unix:" + "x" * 110}, "upstream", "choose a shorter path"),
        ({"protocol": "tcp"}, "upstream", "should start with tcp://"),
        ({"protocol": "udp"}, "protocol", "is not known"),
        ({"peer": []}, "peer", "no caller would ever be let in"),
        ({"peer": ["dns:a.example"]}, "peer[0]", "is not a SPIFFE id"),
        ({"peer": ["spiffe://*/a"]}, "peer[0]", "the trust domain is left open"),
        ({"server_name": "a"}, "server_name", "spoken to in plaintext"),
        ({"allow": [{"uid": 1}]}, "allow", "name them under peer"),
        ({"allowed_hosts": ["a"]}, "allowed_hosts", "an ingress answers to any name"),
        ({"alpn": ["h2"]}, "alpn", "always spoken as http/1.1"),
        (
            {"headers": {"x_forwarded_client_cert": "x"}},
            "headers.x_forwarded_client_cert",
            "is the gateway's own",
        ),
        (
            {"pass_headers": ["X-Forwarded-Client-Cert"]},
            "pass_headers[0]",
            "is the gateway's own",
        ),
    ],
)
def test_what_an_ingress_can_not_have(changes: dict[str, Any], key: str, why: str) -> None:
    found = problems(INGRESS | changes)
    assert list(found) == [key]
    assert why in found[key]


def test_who_may_call_is_never_everybody_by_default() -> None:
    route = {key: value for key, value in INGRESS.items() if key != "peer"}
    assert "who may call" in problems(route)["peer"]


def test_an_ingress_that_carries_bytes_handles_no_headers() -> None:
    extra = {"headers": {"X": "y"}, "pass_headers": [], "allowed_hosts": [], "allowed_origins": []}
    found = problems(INGRESS | {"protocol": "tcp", "upstream": "tcp://127.0.0.1:1"} | extra)
    assert list(found) == list(extra)


# how a route is written for people


@pytest.mark.parametrize(
    ("route", "listener", "upstream", "authority"),
    [
        (TCP, "tcp://127.0.0.1:1", "tls://u.example:8443", "u.example:8443"),
        (INGRESS, "https://127.0.0.1:1", "http://127.0.0.1:9000", "127.0.0.1:9000"),
        (
            INGRESS | {"upstream": "http://[::1]"},
            "https://127.0.0.1:1",
            "http://[::1]",
            "[::1]",
        ),
        (
            INGRESS | {"upstream": "unix:/run/a.sock"},
            "https://127.0.0.1:1",
            "unix:/run/a.sock",
            "localhost",
        ),
        (
            INGRESS | {"upstream": "tcp://127.0.0.1:80", "protocol": "tcp"},
            "tls://127.0.0.1:1",
            "tcp://127.0.0.1:80",
            "127.0.0.1:80",
        ),
    ],
)
def test_urls(route: dict[str, Any], listener: str, upstream: str, authority: str) -> None:
    made = read(route)
    assert made.listen_url("127.0.0.1:1") == listener
    assert made.listen_url("unix:/x") == "unix:/x"
    assert (made.upstream_url, made.upstream_authority) == (upstream, authority)


HTTP = {"name": "r", "listen": "127.0.0.1:8701", "upstream": "https://remote.example"}


@pytest.mark.parametrize("base", [HTTP, INGRESS])
def test_a_card_is_kept_unless_the_route_says_otherwise(base: dict[str, Any]) -> None:
    assert read(base).agent_card == "keep"
    assert read(base | {"agent_card": "rewrite"}).agent_card == "rewrite"
    assert "is not known" in problems(base | {"agent_card": "sign"})["agent_card"]
    assert "has none" in problems(TCP | {"agent_card": "keep"})["agent_card"]
