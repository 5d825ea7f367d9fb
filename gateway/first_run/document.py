"""The text of a configuration file, with comments, and a route more at the end of one. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.clients.files.base import NotEditable
from gateway.clients.files.toml import toml_key, toml_value
from gateway.first_run.plan import FilePlan, IdentityPlan, RoutePlan

_HEAD: Final = (
    "# Who this gateway is, and where its local ports lead. `devwiz-gw config check` checks this",
    "# file, `devwiz-gw doctor` tries what it says, and docs/configuration.md describes every key.",
    "# It names secrets and holds none: it may be kept under version control.",
)
_PAGES: Final = {
    "mcp": "an MCP server: docs/operations/mcp.md",
    "langgraph": "a LangGraph server: docs/operations/langgraph.md",
    "a2a": "an A2A agent: docs/operations/a2a.md",
    "http": "an HTTP service",
}
#: What is said of a key, wherever it stands.
_SAID: Final = {
    "ca_pin": "The fingerprint of the issuer's CA key, as `devwiz-gw issuer init` printed it.",
    "token_file": "Holds the token: mode 0600, and not under version control.",
    "bound_key_secret": "Kept in the secret store, and made there at the first join.",
    "registration_file": "Needed at the first join only: mode 0600, not under version control.",
    "fingerprint": "Of the root certificate: `step certificate fingerprint root_ca.crt`.",
    "spiffe_id": "The name that the certificate must carry.",
    "private_key": "Mode 0600, and not under version control.",
    "trust_bundle": "The authorities that upstreams are checked by.",
}
_STORES: Final = {
    "keychain": "The keychain of the operating system.",
    "vault": "An encrypted file: `devwiz-gw vault init` makes it, `vault unlock` opens it.",
    "folder": "Files that something else writes, one for each secret.",
    "memory": "Begins empty with each start: for tests.",
}


def whole(plan: FilePlan) -> str:
    """The text of a new file."""
    return "\n".join([*_lines_of(plan), ""])


def with_route(text: str, route: RoutePlan) -> str:
    """`text`, with newlines only, and a route more at its end; the rest stays as it is.

    Raises:
        NotEditable: it is no TOML, or lists its routes in a way that has no place for one more.
    """
    wanted = _read(text)
    routes = wanted.setdefault("routes", [])
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    result = "\n".join([text + gap + f"# {_PAGES[route.speaks]}", *_route(route), ""])
    if isinstance(routes, list):
        routes.append(route.as_table())
    # `routes = [{…}]` can't be continued by a [[routes]], and an edit changes nothing else.
    if not _says(result, wanted):
        raise NotEditable(
            "the way this file lists its routes leaves no place for another one",
            hint="write each as a [[routes]] table of its own",
        )
    return result


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return _read(text) == wanted
    except NotEditable:
        return False


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotEditable(f"this is no TOML: {error}") from None


def _lines_of(plan: FilePlan) -> Iterator[str]:
    yield from _HEAD
    yield ""
    yield "# Scopes secrets: the routes below read this project's, and no other's."
    yield f"project = {toml_value(plan.project)}"
    yield ""
    yield "# Where the client certificate comes from: docs/operations/identity.md."
    yield from _identity(plan.identity)
    if plan.store:
        yield ""
        yield "# Where secrets are: docs/operations/secrets.md."
        yield f"# {_STORES[plan.store]}"
        yield "[secrets]"
        yield f"store = {toml_value(plan.store)}"
        if plan.store_folder:
            yield f"folder = {toml_value(plan.store_folder)}"
    yield ""
    yield f"# {_PAGES[plan.route.speaks]}"
    yield from _route(plan.route)


def _identity(plan: IdentityPlan) -> Iterator[str]:
    yield "[identity]"
    yield from _keys(plan.head)
    for name, table in plan.tables.items():
        yield ""
        yield f"[identity.{toml_key(name)}]"
        yield from _keys(table)


def _keys(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if key in _SAID:
            yield f"# {_SAID[key]}"
        yield f"{toml_key(key)} = {toml_value(value)}"


def _route(route: RoutePlan) -> Iterator[str]:
    yield "[[routes]]"
    yield f"name = {toml_value(route.name)}"
    yield "# All that local clients are told; only this user's programs may use it."
    yield f"listen = {toml_value(route.listen)}"
    yield f"upstream = {toml_value(route.upstream)}"
    if route.peers:
        yield "# The only names that the upstream's certificate may carry."
        yield f"peer = {toml_value(list(route.peers))}"
    else:
        yield "# Its certificate has to carry the upstream's host; a list under peer says else."
    if route.agent_card:
        yield "# Agents that read its card find the local port there, and come through it as well."
        yield f"agent_card = {toml_value(route.agent_card)}"
    if route.trust_bundle:
        yield "# The authorities that its certificate is checked by."
        yield f"trust_bundle = {toml_value(route.trust_bundle)}"
    if route.headers:
        yield ""
        yield "# Attached to each request; clients neither see nor replace them."
        yield "[routes.headers]"
        for name, template in route.headers.items():
            yield f"{toml_key(name)} = {toml_value(template)}"
