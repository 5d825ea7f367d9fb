"""Which changes of a configuration a running gateway can follow, and why not others. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.config.model import Config
from gateway.errors import ConfigInvalid, ConfigProblem
from identity.fault import Fault

_FIXED: Final[dict[str, Callable[[Config], object]]] = {
    "project": lambda config: config.project,
    "secrets": lambda config: config.secrets,
    "admin.socket": lambda config: config.admin.socket,
    "limits.workers": lambda config: config.limits.workers,
    "telemetry.metrics_listen": lambda config: config.telemetry.metrics_listen,
    "workload_api.socket": lambda config: config.workload_api and config.workload_api.socket,
    "log.file": lambda config: config.log.file,
    "log.format": lambda config: config.log.format,
}


def refuse_unchangeable(old: Config, new: Config) -> None:
    """Let everything pass that can change under way.

    Raises:
        ConfigInvalid: naming each key that changed and needs a restart.
    """
    problems = [
        ConfigProblem(key, "can't change while the gateway runs", "restart devwiz-gw serve")
        for key, value in _FIXED.items()
        if value(old) != value(new)
    ]
    if problems:
        raise ConfigInvalid(str(new.path), problems)


def summary(fault: Fault) -> str:
    """Why a reload was refused, on one line."""
    problems = getattr(fault, "problems", ())
    told = "; ".join(
        f"{item.key}: {item.message}" if item.key else item.message for item in problems
    )
    return told or str(fault)


def advice(fault: Fault) -> str:
    """What to do: about each problem, where the fault has several."""
    hints = [item.hint for item in getattr(fault, "problems", ()) if item.hint]
    return "; ".join(dict.fromkeys(hints)) or fault.hint
