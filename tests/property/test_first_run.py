"""What `init` writes says what was answered, and `config check` accepts it."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.clients.files.base import NotEditable
from gateway.config.load import SOCKET_PATH_BYTES, load
from gateway.first_run.answers import Judge
from gateway.first_run.document import whole, with_route
from gateway.first_run.plan import FilePlan, IdentityPlan, RoutePlan
from identity.atomic_file import write_atomic

PATH = Path("/acme/devwiz-gw.toml")
JUDGE = Judge(PATH, max_socket_path=SOCKET_PATH_BYTES)

#: As people and programs may answer: most of it odd, some of it wrong.
ODD = st.text(min_size=1, max_size=20) | st.sampled_from(
    ['a"b', "c'd", "e\\f", "#g", "[h]", "ü.pem", "日本", "\u202ei", "j k", "'''", '"""', "\x7f"]
)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
PORTS = st.integers(1, 65535).map(lambda port: f"localhost:{port}")
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z]\.example", fullmatch=True)
SECRETS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


def _accepted(key: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values.filter(lambda value: JUDGE.route(key, value) is None)


ROUTES = st.builds(
    RoutePlan,
    name=NAMES,
    speaks=st.sampled_from(["mcp", "langgraph", "a2a", "http"]),
    listen=PORTS,
    upstream=HOSTS.map("https://{}".format),
    peers=st.lists(HOSTS.map("dns:{}".format), max_size=2).map(tuple),
    trust_bundle=st.just("") | _accepted("trust_bundle", ODD),
    headers=st.dictionaries(
        st.sampled_from(["Authorization", "x-api-key", "X.Odd!"]),
        SECRETS.map("Bearer {{{{ {{secret:{}}}".format),
        max_size=2,
    ).filter(lambda headers: JUDGE.route("headers", headers) is None),
)


@st.composite
def identities(draw: st.DrawFn) -> IdentityPlan:
    tables = {
        "files": {"certificate": ODD, "private_key": ODD, "trust_bundle": ODD},
        "issuer": {
            "url": HOSTS.map("https://{}".format),
            "ca_pin": st.just("sha256:" + "0" * 64),
            "token_file": ODD,
        },
        "spiffe": {"socket": st.just("unix:///run/agent.sock"), "hint": ODD},
    }
    source = draw(st.sampled_from(sorted(tables)))
    table: dict[str, Any] = {}
    for key, values in tables[source].items():
        table[key] = draw(values)
        assume(JUDGE.identity(source, table, key) is None)
    return IdentityPlan(head={"source": source}, tables={source: table})


PLANS = st.builds(FilePlan, project=NAMES, identity=identities(), route=ROUTES)


@pytest.mark.may_block("writes and reads files")
@given(plan=PLANS, more=ROUTES)
def test_what_is_written_is_what_was_answered(plan: FilePlan, more: RoutePlan) -> None:
    text = whole(plan)
    assert tomllib.loads(text) == plan.as_tables()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "devwiz-gw.toml")
        write_atomic(path, text.encode(), 0o600)
        config = load(path)
        assert (config.project, config.routes[0].name) == (plan.project, plan.route.name)
        judge = Judge(path, max_socket_path=SOCKET_PATH_BYTES, raw=plan.as_tables())
        table = more.as_table()
        assume(all(judge.route(key, table[key]) is None for key in table))
        write_atomic(path, with_route(text, more).encode(), 0o600)
        assert [route.name for route in load(path).routes] == [plan.route.name, more.name]


@given(text=st.text(max_size=60), route=ROUTES)
def test_a_route_is_added_or_the_text_refused(text: str, route: RoutePlan) -> None:
    try:
        added = with_route(text, route)
    except NotEditable:
        return
    assert added.startswith(text)
    assert tomllib.loads(added)["routes"][-1] == route.as_table()
