"""The property list of a service for launchd, macOS's service manager: launchd.plist(5). Pure."""

from __future__ import annotations

import plistlib
from typing import Any, Final

from gateway.service.spec import ServiceSpec

#: A comment in each list that we write.
MARK: Final = b"<!-- Written by `devwiz-gw service install` -->\n"
_UMASK: Final = 0o077
#: launchd ends a service that takes longer; 0 would mean that it never does.
_MOST_STOP_S: Final = 86_400


def property_list(spec: ServiceSpec, *, log: str) -> bytes:
    """The text of the list. What the service says goes to the file `log`, as launchd keeps nothing.

    It has no `Sockets`: launchd hands them out by a call of its own library and not by the
    environment, so the service opens its own.
    """
    content: dict[str, Any] = {
        "Label": spec.name,
        "ProgramArguments": list(spec.command),
        "RunAtLoad": True,
        # Started again when it failed, not when it was drained.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": min(int(spec.stop_s), _MOST_STOP_S),
        # Agents wait for it, so it isn't slowed down as work in the background is.
        "ProcessType": "Interactive",
        "Umask": _UMASK,
        "HardResourceLimits": {"Core": 0},
        "SoftResourceLimits": {"Core": 0},
        "StandardOutPath": log,
        "StandardErrorPath": log,
        "WorkingDirectory": "/",
    }
    if spec.environment:
        content["EnvironmentVariables"] = dict(spec.environment)
    if spec.is_system:
        content["UserName"] = spec.run_as
        content["InitGroups"] = True
    else:
        # A user's keychain is open in the graphical session.
        content["LimitLoadToSessionType"] = "Aqua"
    head, tag, rest = plistlib.dumps(content, sort_keys=False).partition(b"<plist ")
    return head + MARK + tag + rest
