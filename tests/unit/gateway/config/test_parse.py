"""From TOML tables to a checked configuration."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import (
    Config,
    CredentialRef,
    FilesSourceConfig,
    HeaderTemplate,
    IdentityConfig,
    IssuerSourceConfig,
    Limits,
    LogConfig,
    PeerName,
    Route,
    SecretsConfig,
    TcpAddress,
    UnixAddress,
)
from gateway.config.parse import parse
from gateway.errors import ConfigInvalid

PATH = Path("/etc/acme/devwiz-gw.toml")
PIN = "sha256:" + "0a" * 32

ISSUE = f"""
project = "acme"
[identity]
source = "issuer"
[identity.issuer]
url = "https://127.0.0.1:8440"
ca_pin = "{PIN}"
token_file = "join-token"
[identity.files]
certificate = "client.crt"
private_key = "client.key"
trust_bundle = "ca.pem"
[[routes]]
name = "planner"
listen = "127.0.0.1:8701"
upstream = "https://planner.example.com:8443"
server_name = "planner.example.com"
peer = ["spiffe://acme.example/agent/planner"]
trust_bundle = "upstream-ca.pem"
pass_headers = []
[routes.headers]
Authorization = "Bearer {{secret:planner-token}}"
[admin]
socket = "unix:devwiz-gw.sock"
"""


def file(**route: Any) -> dict[str, Any]:
    """The tables of the smallest good file, its route changed."""
    smallest = {
        "project": "acme",
        "identity": {"source": "issuer", "issuer": {"url": "https://issuer", "ca_pin": PIN}},
        "routes": [{"name": "r", "listen": "127.0.0.1:1", "upstream": "https://u.example"} | route],
    }
    return copy.deepcopy(smallest)


def read(raw: dict[str, Any]) -> Config:
    return parse(raw, path=PATH, max_socket_path=107)


def route(**changes: Any) -> Route:
    return read(file(**changes)).routes[0]


def problems(raw: dict[str, Any]) -> dict[str, str]:
    """What is wrong, by key; hints are appended to messages."""
    with pytest.raises(ConfigInvalid) as caught:
        read(raw)
    found = {item.key: f"{item.message} | {item.hint}" for item in caught.value.problems}
    assert len(found) == len(caught.value.problems)
    return found


def only_problem(key: str, **route: Any) -> str:
    found = problems(file(**route))
    assert list(found) == [key]
    return found[key]


def test_the_documented_example() -> None:
    config = read(tomllib.loads(ISSUE))
    assert config.project == "acme"
    token = CredentialRef("file", "/etc/acme/join-token")
    source = IssuerSourceConfig(url="https://127.0.0.1:8440", ca_pin=PIN, token=token)
    assert config.identity == IdentityConfig(sources=(source,))
    assert config.routes == (
        Route(
            name="planner",
            listen=(TcpAddress("127.0.0.1", 8701),),
            upstream_host="planner.example.com",
            upstream_port=8443,
            server_name="planner.example.com",
            peer=(PeerName("spiffe", "spiffe://acme.example/agent/planner"),),
            trust_bundle=Path("/etc/acme/upstream-ca.pem"),
            headers=(HeaderTemplate("Authorization", ("Bearer ", "planner-token", "")),),
        ),
    )
    assert config.admin.socket == Path("/etc/acme/devwiz-gw.sock")
    assert config.limits == Limits()
    assert config.log == LogConfig()
    assert config.secrets == SecretsConfig()


def test_revocation_lists_of_the_identity_and_of_a_route() -> None:
    raw = file(crl="lists/planner.pem")
    raw["identity"] = raw["identity"] | {"crl": "/run/identity/crl.pem"}
    config = read(raw)
    assert config.routes[0].crl == Path("/etc/acme/lists/planner.pem")
    assert config.identity.crl == Path("/run/identity/crl.pem")
    assert read(file()).identity.crl is read(file()).routes[0].crl is None


def test_everything_that_may_be_left_out() -> None:
    config = read(file())
    assert config.identity.sources[0] == IssuerSourceConfig(
        url="https://issuer:443", ca_pin=PIN, token=None
    )
    only = config.routes[0]
    assert (only.upstream_host, only.upstream_port) == ("u.example", 443)
    assert only.server_name == "u.example"
    assert only.peer == (PeerName("dns", "u.example"),)
    assert config.admin.socket == Path("/etc/acme/devwiz-gw.sock")


def test_all_settings() -> None:
    raw = file() | {
        "limits": {"workers": 2, "head_timeout_s": 5, "idle_timeout_s": 0.5, "drain_timeout_s": 0},
        "log": {"level": "debug", "access": False, "file": "gw.log"},
        "secrets": {"store": "memory"},
    }
    config = read(raw)
    assert config.limits == Limits(
        workers=2, head_timeout_s=5.0, idle_timeout_s=0.5, drain_timeout_s=0.0
    )
    assert config.log == LogConfig(level="debug", access=False, file=Path("/etc/acme/gw.log"))
    assert config.secrets == SecretsConfig(store="memory")


def test_an_empty_file_lacks_everything_at_once() -> None:
    assert list(problems({})) == ["project", "identity.source", "routes"]


def test_an_unknown_key_gets_a_suggestion() -> None:
    raw = file(lisen="127.0.0.1:2") | {"limit": {}}
    found = problems(raw)
    assert found["routes.r.lisen"].startswith("unknown key | did you mean listen? known here: ")
    assert "did you mean limits?" in found["limit"]
    raw = file()
    raw["identity"]["issuer"]["capin"] = "x"
    raw["identity"]["nobody"] = {}
    found = problems(raw)
    assert "did you mean ca_pin?" in found["identity.issuer.capin"]
    assert found["identity.nobody"].startswith("unknown key")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1, "a whole number"), (True, "true or false"), ([], "a list"), ({}, "a table")],
)
def test_a_value_of_the_wrong_kind(value: object, kind: str) -> None:
    assert only_problem("routes.r.upstream", upstream=value).startswith(
        f"should be a text, not {kind}"
    )


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("limits", "workers", 0),
        ("limits", "workers", True),
        ("limits", "workers", 1.5),
        ("limits", "workers", 65),
        ("limits", "max_head_bytes", 100),
        ("limits", "idle_timeout_s", 0),
        ("limits", "idle_timeout_s", float("nan")),
        ("limits", "idle_timeout_s", float("inf")),
        ("limits", "idle_timeout_s", 10**400),
        ("limits", "drain_timeout_s", -1),
        ("log", "level", "loud"),
        ("log", "access", "yes"),
        ("log", "file", "~/log"),
        ("secrets", "store", "file"),
        ("admin", "socket", "devwiz-gw.sock"),
        ("admin", "socket", "unix:"),
        ("admin", "socket", "unix:/" + "x" * 107),
    ],
)
def test_a_setting_out_of_bounds(table: str, key: str, value: object) -> None:
    assert list(problems(file() | {table: {key: value}})) == [f"{table}.{key}"]


def test_a_socket_path_has_to_fit_into_an_address() -> None:
    fits = "unix:/" + "x" * 106
    assert read(file() | {"admin": {"socket": fits}}).admin.socket == Path(fits[5:])
    text = only_problem("routes.r.listen", listen="unix:" + "é" * 60)
    assert "the socket's path is 130 bytes long, and the system allows 107" in text


def test_a_default_admin_socket_has_to_fit_too() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        parse(file(), path=Path("/" + "deep/" * 30 + "devwiz-gw.toml"), max_socket_path=107)
    (problem,) = caught.value.problems
    assert problem.key == "admin.socket"
    assert "shorter path" in problem.hint


@pytest.mark.parametrize("project", ["", "Acme", "a/b", "-a", 7, "x" * 64])
def test_a_project_name_that_no_store_takes(project: object) -> None:
    assert list(problems(file() | {"project": project})) == ["project"]


# Routes


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


# Headers


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("",)),
        ("plain", ("plain",)),
        ("{secret:a}", ("", "a", "")),
        ("Bearer {secret:a}", ("Bearer ", "a", "")),
        ("{secret:a}{secret:b}", ("", "a", "", "b", "")),
        ("{{secret:a}}", ("{secret:a}",)),
        ("{{{secret:a}}}", ("{", "a", "}")),
    ],
)
def test_header_templates(text: str, parts: tuple[str, ...]) -> None:
    assert route(headers={"X-Api-Key": text}).headers == (HeaderTemplate("X-Api-Key", parts),)


def test_a_variable_with_a_token_that_no_table_sets_up() -> None:
    found = problems(file() | {"run": {"env": {"A": "token:x"}}})
    assert found["run.env.A"].startswith("there is no token 'x'")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{tokens:x}", "unknown placeholder {tokens:x} | {secret:NAME} and {token:NAME} are known"),
        ("{token:x}", "there is no token 'x' | add a table [tokens.x]"),
        ("{token:}", "not a token's name"),
        ("{token:X}", "not a token's name"),
        ("{secret}", "unknown placeholder"),
        ("{}", "unknown placeholder"),
        ("{secret:a b}", "not usable"),
        ("{secret:}", "not usable"),
        ("{secret:a", "a lone '{'"),
        ("a}", "a lone '}'"),
        ("a\r\nX-Evil: 1", "control character"),
        ("a\x00", "control character"),
        ("ключ", "characters that a header can't"),
        ("a ", "starts or ends with a blank"),
    ],
)
def test_header_values_refused(text: str, why: str) -> None:
    assert why in only_problem("routes.r.headers.X-A", headers={"X-A": text})


@pytest.mark.parametrize(
    "name",
    ["Host", "CONNECTION", "Transfer_Encoding", "content-length", "TE", "upgrade", "Expect"],
)
def test_the_gateways_own_headers_are_refused(name: str) -> None:
    assert "gateway's own" in only_problem(f"routes.r.headers.{name}", headers={name: "x"})
    assert "gateway's own" in only_problem("routes.r.pass_headers[0]", pass_headers=[name])


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\n"])
def test_header_names_are_tokens(name: str) -> None:
    found = problems(file(headers={name: "x"}))
    (key,) = found
    assert key.startswith('routes.r.headers."')
    assert "is not a header name" in found[key]


def test_a_header_is_written_once_whatever_its_spelling() -> None:
    found = problems(file(headers={"X-Api-Key": "a", "x_api_key": "b"}))
    assert "the same header as X-Api-Key" in found["routes.r.headers.x_api_key"]


def test_pass_headers() -> None:
    assert route(pass_headers=["Cookie", "cookie", "X-Api-Key"]).pass_headers == (
        "cookie",
        "x-api-key",
    )
    text = only_problem(
        "routes.r.pass_headers[0]", pass_headers=["authorization"], headers={"Authorization": "x"}
    )
    assert "attached by this route" in text


# Hosts and origins


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


def test_a_vault_may_have_a_folder_and_lock_itself() -> None:
    secrets = {"store": "vault", "folder": "vault", "auto_lock_s": 0}
    expected = SecretsConfig(store="vault", folder=Path("/etc/acme/vault"), auto_lock_s=0.0)
    assert read(file() | {"secrets": secrets}).secrets == expected
    assert read(file() | {"secrets": {"store": "vault"}}).secrets == SecretsConfig(store="vault")
    for wrong in (-1, 31 * 86_400, "1h"):
        found = problems(file() | {"secrets": {"store": "vault", "auto_lock_s": wrong}})
        assert list(found) == ["secrets.auto_lock_s"]
    found = problems(file() | {"secrets": {"store": "keychain", "auto_lock_s": 60}})
    assert list(found) == ["secrets.auto_lock_s"]


def test_the_folder_store_needs_a_folder_and_only_it() -> None:
    secrets = {"store": "folder", "folder": "mounted"}
    expected = SecretsConfig(store="folder", folder=Path("/etc/acme/mounted"))
    assert read(file() | {"secrets": secrets}).secrets == expected
    assert list(problems(file() | {"secrets": {"store": "folder"}})) == ["secrets.folder"]
    assert list(problems(file() | {"secrets": {"folder": "mounted"}})) == ["secrets.folder"]


SECOND = """
[identities.billing]
source = "files"
[identities.billing.files]
certificate = "b.crt"
private_key = "b.key"
trust_bundle = "b-ca.pem"
"""


def with_second(**route: Any) -> dict[str, Any]:
    return file(**route) | tomllib.loads(SECOND)


def test_a_route_shows_the_identity_that_it_names() -> None:
    config = read(with_second(identity="billing"))
    (files,) = config.identities["billing"].sources
    assert isinstance(files, FilesSourceConfig)
    assert files.certificate == Path("/etc/acme/b.crt")
    assert config.routes[0].identity == "billing"
    assert read(with_second()).routes[0].identity == "default"


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (file(identity="billing"), "routes.r.identity"),
        (with_second(identity="biling"), "routes.r.identity"),
        (file() | {"identities": {"default": {}}}, "identities.default"),
        (file() | {"identities": {"a/b": {}}}, 'identities."a/b"'),
        (file() | {"identities": {"billing": {}}}, "identities.billing.source"),
        (file() | {"identities": {"billing": 1}}, "identities.billing"),
        (file() | {"identities": []}, "identities"),
    ],
)
def test_identities_that_make_no_sense_are_told(raw: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read(raw)
    assert key in {problem.key for problem in caught.value.problems}


def test_touches_are_part_of_it() -> None:
    assert not read(file()).mfa.sign_in
    assert read({**file(), "mfa": {"touch": ["sign-in"]}}).mfa.sign_in
