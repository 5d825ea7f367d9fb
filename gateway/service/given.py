"""All that a service manager gives to a process that it starts."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Self

from gateway.service.manager import ServiceManager
from gateway.service.passed import PassedSockets


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Whom to tell, and sockets to listen on. `close` closes those."""

    manager: ServiceManager = field(default_factory=ServiceManager)
    passed: PassedSockets = field(default_factory=PassedSockets)

    @classmethod
    def taken_from(cls, env: MutableMapping[str, str], *, pid: int) -> Self:
        """What the environment says, which doesn't say it any more. Call it before anything is
        started or opened.

        Raises:
            StartFailed: what was passed can't be used.
        """
        manager = ServiceManager.taken_from(env, pid=pid)
        return cls(manager=manager, passed=PassedSockets.taken_from(env, pid=pid))

    def close(self) -> None:
        """Close our ends of the sockets."""
        self.passed.close()
