"""Whose credentials a route's upstream gets, and what becomes of its OAuth metadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from gateway.config.headers import same_name
from gateway.config.table import Table

Auth = Literal["inject", "passthrough"]

_CREDENTIAL: Final = same_name("Authorization")


def read_auth(table: Table, *, attached: Iterable[str], passed: Iterable[str]) -> Auth:
    """`auth` of a route: by default `inject`, unless the client's `Authorization` is `passed`."""
    passes = any(same_name(name) == _CREDENTIAL for name in passed)
    known = ("inject", "passthrough")
    if table.choice("auth", known, "passthrough" if passes else "inject") == "inject":
        if passes:
            hint = 'take Authorization out of pass_headers, or write auth = "passthrough"'
            table.problem("auth", "the client's Authorization is passed by pass_headers", hint)
        return "inject"
    if any(same_name(name) == _CREDENTIAL for name in attached):
        hint = "the client's and the route's can't both be sent: write auth = \"inject\""
        table.problem("auth", "this route attaches an Authorization of its own", hint)
    return "passthrough"


def read_rewriting(table: Table, auth: Auth) -> bool:
    """`rewrite_metadata` of a route, for clients that get tokens themselves."""
    wanted = table.flag("rewrite_metadata", default=False)
    if wanted and auth == "inject":
        hint = 'clients of this route need no token: leave it out, or write auth = "passthrough"'
        table.problem("rewrite_metadata", 'goes with auth = "passthrough" only', hint)
    return wanted
