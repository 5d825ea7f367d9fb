"""Errors of the `gateway` package, and the exit code that each becomes at the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from identity.fault import Fault


class GatewayError(Fault):
    """Root of this package's errors."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing wrong in a configuration file: the dotted key it stands at, and what to do."""

    key: str
    message: str
    hint: str = ""


class ConfigInvalid(GatewayError):
    """The configuration file can't be used. `problems` lists everything that is wrong at once."""

    def __init__(self, path: str, problems: Sequence[ConfigProblem]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__(f"{path}: {count} in the configuration")
        self.path = path
        self.problems = tuple(problems)


class ConfigMissing(ConfigInvalid):
    """There is no configuration file: that is the one problem, and what the error itself says."""

    def __init__(self, path: str, message: str, hint: str) -> None:
        super().__init__(path, [ConfigProblem("", message, hint)])
        self.hint = hint

    def __str__(self) -> str:
        return self.problems[0].message


class NotRunning(GatewayError):
    """No gateway answers on the admin socket."""


class OutputLost(GatewayError):
    """Standard output can't be written: the disk is full, or the terminal is gone."""

    remedy = (
        "make room where the output goes, or send it elsewhere; what the command did beside "
        "printing stays done"
    )


class ReplacementFailed(GatewayError):
    """Fresh workers could not take over: those that there were go on."""


class StartFailed(GatewayError):
    """The gateway can't start: a port is taken, a folder is not writable."""
