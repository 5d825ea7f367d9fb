"""Route specifications for tests of the header rules, with a configured credential."""

from __future__ import annotations

from typing import Any

from gateway.data_plane.headers import HeaderRules
from gateway.ipc.snapshot import RouteSpec, TlsSpec, UpstreamSpec

AUTHORITY = "agent.example"
CREDENTIAL = ("Authorization", "Bearer s3cr3t-value")


def route_spec(authority: str = AUTHORITY, **changes: Any) -> RouteSpec:
    """A route to `authority` that attaches and redacts `CREDENTIAL`, with `changes`."""
    values: dict[str, Any] = {
        "name": "planner",
        "listeners": (),
        "upstream": UpstreamSpec(
            authority=authority,
            addresses=(("127.0.0.1", 8443),),
            resolve_error="",
        ),
        "tls": TlsSpec(
            server_name=authority,
            peers=(f"dns:{authority}",),
            bundle_pem="",
        ),
        "pass_headers": (),
        "headers": (CREDENTIAL,),
        "redact": ("s3cr3t-value",),
        "unavailable": "",
    }
    return RouteSpec(**values | changes)


def header_rules(**changes: Any) -> HeaderRules:
    """The rules of such a route."""
    return HeaderRules(route_spec(**changes))
