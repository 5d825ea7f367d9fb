"""Routes of the kind http; those of the others are in `test_routes.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import PeerName, TcpAddress, UnixAddress
from tests.fakes.config_tables import file, only_problem, problems, route


def test_routes_are_needed() -> None:
    assert list(problems(file() | {"routes": []})) == ["routes"]
    assert list(problems(file() | {"routes": {}})) == ["routes"]
    assert list(problems(file() | {"routes": [1]})) == ["routes[0]"]


def test_a_route_is_named_by_its_place_until_its_name_is_good() -> None:
    raw = file()
    raw["routes"] += [
        {"name": "Bad Name", "listen": "x", "upstream": "https://u"},
        {"name": "r", "listen": "y", "upstream": "https://u"},
        {"name": "ok", "listen": "z", "upstream": "https://u"},
        {},
    ]
    assert list(problems(raw)) == [
        "routes[1].name",
        "routes[1].listen",
        "routes[2].name",
        "routes[2].listen",
        "routes.ok.listen",
        "routes[4].name",
        "routes[4].listen",
        "routes[4].upstream",
    ]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("127.0.0.1:8701", (TcpAddress("127.0.0.1", 8701),)),
        ("127.0.0.1:0", (TcpAddress("127.0.0.1", 0),)),
        ("[::1]:8701", (TcpAddress("::1", 8701),)),
        ("[0:0::1]:8701", (TcpAddress("::1", 8701),)),
        ("localhost:1", (TcpAddress("127.0.0.1", 1), TcpAddress("::1", 1))),
        ("LOCALHOST:1", (TcpAddress("127.0.0.1", 1), TcpAddress("::1", 1))),
        ("unix:p.sock", (UnixAddress(Path("/etc/acme/p.sock")),)),
        ("unix:/run/p.sock", (UnixAddress(Path("/run/p.sock")),)),
        (
            ["127.0.0.1:0", "127.0.0.1:0", "unix:/p"],
            (TcpAddress("127.0.0.1", 0), TcpAddress("127.0.0.1", 0), UnixAddress(Path("/p"))),
        ),
    ],
)
def test_listen(text: object, addresses: tuple[object, ...]) -> None:
    assert route(listen=text).listen == addresses


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0.0.0.0:8701", "not a loopback address"),
        ("[::]:8701", "not a loopback address"),
        ("[::ffff:127.0.0.1]:8701", "write"),
        ("10.0.0.7:8701", "ask every caller for a token"),
        ("gateway.example:8701", "not an address to listen on"),
        ("127.0.0.2:8701", "127.0.0.2 is not listened on"),
        ("localhost:0", "share a port"),
        ("127.0.0.1", "is not HOST:PORT"),
        ("127.0.0.1:", "is not HOST:PORT"),
        (":8701", "is not HOST:PORT"),
        ("::1:8701", "put an IPv6 address in brackets"),
        ("127.0.0.1:65536", "65536 is not a port"),
        ("127.0.0.1:+1", "is not HOST:PORT"),
        ("127.0.0.1:\N{FULLWIDTH DIGIT ONE}", "is not HOST:PORT"),
        ("unix:", "the path is empty"),
        ("unix:~/p", "'~' is not expanded"),
        ("", "is empty"),
        ("127.0.0.1:1\n", "control character"),
        ([], "is empty"),
    ],
)
def test_listen_refused(text: object, why: str) -> None:
    assert why in only_problem("routes.r.listen", listen=text)


def test_an_item_of_a_list_is_named_by_its_index() -> None:
    found = problems(file(listen=["127.0.0.1:1", 7, "0.0.0.0:2"]))
    assert list(found) == ["routes.r.listen[1]", "routes.r.listen[2]"]


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        ("127.0.0.1:1", "localhost:1", "127.0.0.1:1"),
        ("localhost:1", "[::1]:1", "[::1]:1"),
        ("unix:a/../b", "unix:/etc/acme/b", "unix:/etc/acme/b"),
    ],
)
def test_two_routes_on_one_address(first: str, second: str, taken: str) -> None:
    raw = file(listen=first)
    raw["routes"].append({"name": "s", "listen": second, "upstream": "https://u"})
    assert f"{taken} is taken by routes.r.listen" in problems(raw)["routes.s.listen"]


def test_one_route_twice_on_one_address() -> None:
    text = only_problem("routes.r.listen[1]", listen=["127.0.0.1:1", "localhost:1"])
    assert "taken by routes.r.listen[0]" in text


def test_a_route_on_the_admin_socket() -> None:
    assert list(problems(file(listen="unix:devwiz-gw.sock"))) == ["admin.socket"]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://Planner.Example.com", "planner.example.com", 443),
        ("https://u:8443/", "u", 8443),
        ("https://my_agent:1", "my_agent", 1),
        ("https://10.0.0.7:1", "10.0.0.7", 1),
        ("https://[2001:DB8::0:1]:1", "2001:db8::1", 1),
        ("HTTPS://u", "u", 443),
    ],
)
def test_upstream(text: str, host: str, port: int) -> None:
    only = route(upstream=text)
    assert (only.upstream_host, only.upstream_port) == (host, port)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://u", "should start with https://"),
        ("u:8443", "should start with https://"),
        ("https://", "names no host"),
        ("https://u/mcp", "holds a path"),
        ("https://u?", "holds a path"),
        ("https://u#", "holds a path"),
        ("https://me:pw@u", "holds a user name"),
        ("https://u:0", "0 is not a port"),
        ("https://u:99999", "is not a URL"),
        ("https://u:x", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://[fe80::1%25eth0]", "is not a DNS name"),
        ("https://-u", "is not a DNS name"),
        ("https://u..v", "is not a DNS name"),
        ("https://u.", "is not a DNS name"),
        ("https://1.2.3", "is not a DNS name"),
        ("https://pläner", "xn--"),
        ("https://u v", "is not a DNS name"),
    ],
)
def test_upstream_refused(text: str, why: str) -> None:
    assert why in only_problem("routes.r.upstream", upstream=text)


def test_a_refused_upstream_does_not_show_its_password() -> None:
    assert "hunter2" not in str(problems(file(upstream="https://me:hunter2@u/p")))


@pytest.mark.parametrize(
    ("upstream", "given", "server_name", "peer"),
    [
        ("https://u", {}, "u", PeerName("dns", "u")),
        ("https://10.0.0.7", {}, "", PeerName("ip", "10.0.0.7")),
        ("https://[::1]", {}, "", PeerName("ip", "::1")),
        (
            "https://10.0.0.7",
            {"server_name": "S.example"},
            "s.example",
            PeerName("dns", "s.example"),
        ),
        ("https://u", {"server_name": ""}, "", PeerName("dns", "u")),
        ("https://u", {"server_name": "s", "peer": ["dns:P"]}, "s", PeerName("dns", "p")),
    ],
)
def test_server_name_and_the_peer_that_it_implies(
    upstream: str, given: dict[str, Any], server_name: str, peer: PeerName
) -> None:
    only = route(upstream=upstream, **given)
    assert (only.server_name, only.peer) == (server_name, (peer,))


def test_a_server_name_is_a_dns_name() -> None:
    assert only_problem("routes.r.server_name", server_name="10.0.0.7")


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("spiffe://acme.example/a/b", PeerName("spiffe", "spiffe://acme.example/a/b")),
        ("dns:Planner.example", PeerName("dns", "planner.example")),
        ("ip:10.0.0.7", PeerName("ip", "10.0.0.7")),
        ("ip:2001:DB8::0:1", PeerName("ip", "2001:db8::1")),
        ("ip:[::1]", PeerName("ip", "::1")),
    ],
)
def test_peer(text: str, peer: PeerName) -> None:
    assert route(peer=[text]).peer == (peer,)
    assert PeerName(peer.kind, peer.value) == route(peer=[str(peer)]).peer[0]


@pytest.mark.parametrize(
    "text",
    [
        "planner.example",
        "spiffe:x",
        "spiffe://",
        "spiffe://a",
        "dns:",
        "dns:*.a",
        "ip:x",
        "x:y",
        "",
    ],
)
def test_peer_refused(text: str) -> None:
    assert only_problem("routes.r.peer[0]", peer=[text])


def test_no_peer_at_all_is_refused() -> None:
    assert "no upstream would ever be accepted" in only_problem("routes.r.peer", peer=[])


def test_allowed_hosts_and_origins() -> None:
    only = route(
        allowed_hosts=["Gateway.internal", "gateway.internal:8701", "[::1]:7", "10.0.0.7"],
        allowed_origins=["http://LOCALHOST:3000", "https://a.example:443", "vscode-webview://x1"],
    )
    assert only.allowed_hosts == (
        "gateway.internal",
        "gateway.internal:8701",
        "[::1]:7",
        "10.0.0.7",
    )
    assert only.allowed_origins == (
        "http://localhost:3000",
        "https://a.example",
        "vscode-webview://x1",
    )


@pytest.mark.parametrize("text", ["*", "*.example", "http://x", "a/b", "a:b", "a:99999"])
def test_allowed_hosts_refused(text: str) -> None:
    assert only_problem("routes.r.allowed_hosts[0]", allowed_hosts=[text])


@pytest.mark.parametrize(
    "text", ["*", "null", "localhost:3000", "http://", "http://a/", "http://a@b", "http://*.a"]
)
def test_allowed_origins_refused(text: str) -> None:
    assert only_problem("routes.r.allowed_origins[0]", allowed_origins=[text])
