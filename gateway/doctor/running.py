"""The running gateway: whether there is one, and whether it is the one that the file describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.model import Config
from gateway.doctor.case import Running
from gateway.doctor.finding import Finding
from gateway.errors import NotRunning
from identity.fault import Fault


async def ask(running: Running) -> tuple[Finding | None, Mapping[str, Any] | None]:
    """The gateway's status; in its place a finding of why there is none."""
    try:
        return None, await running.status()
    except NotRunning as error:
        finding = Finding(
            rung="gateway",
            result="warn",
            detail=f"{error}: what it would do is tried without it",
            remedy=error.hint,
        )
        return finding, None
    except Fault as fault:
        finding = Finding(rung="gateway", result="fail", detail=str(fault), remedy=fault.hint)
        return finding, None


def judge(status: Mapping[str, Any], config: Config, version: str) -> Finding:
    """The finding about a gateway that runs."""
    doubts = list(_doubts(status, config, version))
    state = status["state"]
    detail = f"runs, pid {status['pid']}, {state}"
    if not doubts and state == "ready":
        return Finding(rung="gateway", result="pass", detail=detail)
    reasons = [*status["reasons"], *doubts]
    return Finding(
        rung="gateway",
        result="warn",
        detail=": ".join([detail, *filter(None, ["; ".join(reasons)])]),
        remedy="devwiz-gw reload" if doubts else "what is behind it is said below",
    )


def _doubts(status: Mapping[str, Any], config: Config, version: str) -> Iterator[str]:
    if status["version"] != version:
        yield f"it is version {status['version']}, and this is {version}: start it again"
    if status["config"] != str(config.path):
        yield f"it serves {status['config']}"
    running = {item["name"] for item in status["routes"]}
    wanted = {route.name for route in config.routes}
    if missing := sorted(wanted - running):
        yield f"it has no route {', '.join(missing)}"
    if gone := sorted(running - wanted):
        yield f"it still has route {', '.join(gone)}"
