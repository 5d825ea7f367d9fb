"""Where spans go, from the configuration and the header values that it names. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.model import TELEMETRY, Config, Route
from gateway.control_plane.snapshots import Attached
from gateway.telemetry.spans import Destination, Target

_NOT_READ: Attached = Attached(unavailable="its secrets are still being read")


def span_destination(config: Config, attached: Mapping[str, Attached]) -> Destination | None:
    """None where the configuration names no collector."""
    telemetry = config.telemetry
    if not telemetry.otlp_endpoint:
        return None
    headers = attached.get(TELEMETRY, _NOT_READ) if telemetry.otlp_headers else Attached()
    return Destination(
        endpoint=telemetry.otlp_endpoint,
        headers=headers.headers,
        unavailable=headers.unavailable,
        ratio=telemetry.sample_ratio,
        targets={route.name: _target(route) for route in config.routes},
    )


def _target(route: Route) -> Target:
    return Target(
        url=route.upstream_url,
        address=route.upstream_host,
        port=route.upstream_port,
        ingress=route.kind == "ingress",
    )
