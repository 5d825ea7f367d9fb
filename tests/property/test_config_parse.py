"""The configuration parser accepts, or raises `ConfigInvalid`, whatever the tables hold."""

from __future__ import annotations

import datetime
import string
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.headers import header_template
from gateway.config.load import load
from gateway.config.model import Config
from gateway.config.parse import parse
from gateway.config.table import Rejected
from gateway.errors import ConfigInvalid

PATH = Path("/etc/acme/devwiz-gw.toml")

KEYS = st.sampled_from(
    [
        "project",
        "identity",
        "source",
        "issuer",
        "files",
        "url",
        "ca_pin",
        "token_file",
        "token_env",
        "token_secret",
        "certificate",
        "private_key",
        "trust_bundle",
        "routes",
        "name",
        "kind",
        "protocol",
        "addresses",
        "affinity",
        "alpn",
        "listen",
        "upstream",
        "server_name",
        "peer",
        "pass_headers",
        "headers",
        "allowed_hosts",
        "allowed_origins",
        "admin",
        "socket",
        "limits",
        "workers",
        "log",
        "level",
        "access",
        "mcp_peek",
        "telemetry",
        "metrics_listen",
        "otlp_endpoint",
        "otlp_headers",
        "sample_ratio",
        "file",
        "secrets",
        "store",
        "idle_timeout_s",
        "Authorization",
        "x_y",
    ]
)
TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        "127.0.0.1:1",
        "localhost:0",
        "[::1]:2",
        "unix:a",
        "https://u",
        "tls://u:1",
        "http://127.0.0.1",
        "tcp://[::1]:2",
        "spiffe://a/**",
        "0.0.0.0:3",
        "h2",
        "https://[::1]:9",
        "https://u/p?q#f",
        "spiffe://a/b",
        "dns:x",
        "ip:::1",
        "files",
        "issuer",
        "{secret:a}",
        "{{",
        "sha256:" + "0" * 64,
        "http://[",
        "http://[::1]:x",
    ]
)
LEAVES = (
    TEXTS
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.sampled_from([None, datetime.UTC]))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=8)
    ),
    max_leaves=30,
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=8)

# Files that are right but for a value here and there reach deeper than tables made up at random.
NEARLY = st.fixed_dictionaries(
    {
        "project": st.just("acme") | LEAVES,
        "identity": st.fixed_dictionaries(
            {
                "source": st.sampled_from(["issuer", "files"]) | LEAVES,
                "issuer": st.fixed_dictionaries(
                    {"url": TEXTS, "ca_pin": TEXTS}, optional={"token_env": TEXTS}
                ),
            },
            optional={"files": VALUES},
        ),
        "routes": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["a", "b", "A"]) | LEAVES,
                    "listen": TEXTS | st.lists(TEXTS, max_size=3),
                    "upstream": TEXTS,
                },
                optional={
                    "kind": st.sampled_from(["http", "tcp", "ingress"]),
                    "protocol": st.sampled_from(["http", "tcp"]),
                    "addresses": st.lists(TEXTS, max_size=3),
                    "affinity": TEXTS,
                    "alpn": st.lists(TEXTS, max_size=2),
                    "server_name": TEXTS,
                    "peer": st.lists(TEXTS, max_size=3) | VALUES,
                    "headers": st.dictionaries(st.text(max_size=8), TEXTS, max_size=3),
                    "pass_headers": st.lists(TEXTS, max_size=3),
                    "allowed_hosts": st.lists(TEXTS, max_size=3),
                    "allowed_origins": st.lists(TEXTS, max_size=3),
                },
            ),
            max_size=3,
        ),
    },
    optional={
        "admin": VALUES,
        "limits": TABLES,
        "log": TABLES,
        "secrets": TABLES,
        "telemetry": TABLES
        | st.fixed_dictionaries(
            {"otlp_endpoint": TEXTS},
            optional={"otlp_headers": st.dictionaries(st.text(max_size=8), TEXTS, max_size=3)},
        ),
    },
)


def outcome(raw: dict[str, Any]) -> Config | ConfigInvalid:
    try:
        return parse(raw, path=PATH, max_socket_path=107)
    except ConfigInvalid as invalid:
        return invalid


@given(TABLES | NEARLY)
def test_accepts_or_lists_what_is_wrong(raw: dict[str, Any]) -> None:
    result = outcome(raw)
    if isinstance(result, ConfigInvalid):
        assert result.problems
        assert all(problem.message for problem in result.problems)
    else:
        assert result.routes
        assert result.identity.sources


@given(NEARLY)
def test_plaintext_never_leaves_the_machine(raw: dict[str, Any]) -> None:
    result = outcome(raw)
    for route in result.routes if isinstance(result, Config) else ():
        if route.kind == "ingress":
            plain = {route.upstream_host} if route.upstream_port else set()
            assert route.peer
            assert not route.addresses
        else:
            plain = {getattr(at, "host", "::1") for at in route.listen}
        assert plain <= {"127.0.0.1", "::1"}


HOSTS = st.from_regex(
    r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{1,5}){0,2}", fullmatch=True
) | st.ip_addresses().map(str)


@given(
    host=HOSTS,
    port=st.integers(1, 65535),
    listen=st.lists(
        st.sampled_from(["127.0.0.1", "[::1]"]).flatmap(
            lambda loopback: st.integers(0, 65535).map(lambda number: f"{loopback}:{number}")
        ),
        min_size=1,
        max_size=3,
        unique=True,
    ),
)
def test_what_is_read_writes_back_to_the_same(host: str, port: int, listen: list[str]) -> None:
    bracketed = f"[{host}]" if ":" in host else host
    route: dict[str, Any] = {
        "name": "r",
        "listen": listen,
        "upstream": f"https://{bracketed}:{port}",
    }
    raw = {
        "project": "acme",
        "identity": {
            "source": "issuer",
            "issuer": {"url": "https://i", "ca_pin": "sha256:" + "0" * 64},
        },
        "routes": [route],
    }
    first = outcome(raw)
    assert isinstance(first, Config)
    read = first.routes[0]
    assert [str(address) for address in read.listen] == listen
    route["upstream"] = f"https://{read.upstream_authority}"
    route["peer"] = [str(peer) for peer in read.peer]
    route["server_name"] = read.server_name
    assert outcome(raw) == first


@given(
    st.lists(
        st.tuples(
            st.text(string.ascii_letters + " {}:", max_size=5),
            st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,5}", fullmatch=True),
        ),
        max_size=4,
    )
)
def test_templates_keep_text_and_secrets_apart(pieces: list[tuple[str, str]]) -> None:
    text = "".join(
        literal.replace("{", "{{").replace("}", "}}") + f"{{secret:{name}}}"
        for literal, name in pieces
    )
    if text != text.strip():
        text, pieces = "", []
    header = header_template("X", text, project="acme")
    assert header.secret_names == tuple(name for _, name in pieces)
    assert "".join(header.parts[::2]) == "".join(literal for literal, _ in pieces)


LINES = st.sampled_from(
    [
        'project = "acme"',
        "[identity]",
        "[[routes]]",
        'listen = "x"',
        "a = 1979-13-01",
        "a.b = [",
        "}",
    ]
)


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.lists(LINES, max_size=6).map(lambda lines: "\n".join(lines).encode())
)
def test_any_file_loads_or_says_what_is_wrong(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "devwiz-gw.toml")
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(ConfigInvalid):
            load(path)


@given(st.text(max_size=30))
def test_no_template_smuggles_a_line(text: str) -> None:
    try:
        header = header_template("X", text, project="acme")
    except Rejected:
        return
    assert all(" " <= char <= "~" for part in header.parts for char in part)
