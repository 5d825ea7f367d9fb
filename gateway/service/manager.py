"""What the service manager that started this process is told: sd_notify(3).

One datagram a message, to the socket that the environment names. Where it names none, nobody is
told anything.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Final, Self

_SOCKET: Final = "NOTIFY_SOCKET"
_WATCHDOG_S: Final = "WATCHDOG_USEC"
_WATCHDOG_PID: Final = "WATCHDOG_PID"
#: A line of status is for one line of a terminal.
_MOST_CHARACTERS: Final = 300
_MOST_UNSAID: Final = 15


class ServiceManager:
    """Tells the service manager. Its methods never wait, and never fail: what the manager has no
    room for is said with the next message.

    Attributes:
        watchdog_s: within this time the manager wants to hear `alive` again; 0 if it doesn't.
    """

    def __init__(
        self,
        address: str = "",
        *,
        watchdog_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # An @ stands for the NUL of Linux's abstract names; other transports aren't spoken.
        known = address.startswith(("/", "@"))
        self._address = address.replace("@", "\0", 1) if address[:1] == "@" else address
        self._is_there = known and len(address) > 1 and hasattr(socket, "AF_UNIX")
        self.watchdog_s = watchdog_s if self._is_there else 0.0
        self._clock = clock
        self._unsaid: list[str] = []
        self._status = ""

    @classmethod
    def taken_from(cls, env: MutableMapping[str, str], *, pid: int) -> Self:
        """What the environment says of the manager; it is removed there, so that no program that
        this process starts speaks for it. A watchdog that waits for another process isn't ours.
        """
        address = env.pop(_SOCKET, "")
        watchdog, whose = env.pop(_WATCHDOG_S, ""), env.pop(_WATCHDOG_PID, "")
        is_ours = watchdog.isascii() and watchdog.isdigit() and whose in ("", str(pid))
        return cls(address, watchdog_s=int(watchdog) / 1e6 if is_ours else 0.0)

    @property
    def is_there(self) -> bool:
        """Whether there is one."""
        return self._is_there

    def ready(self) -> None:
        """The start, or a reload, is done."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """A reload begins, which `ready` ends. The time says which one (systemd.service(5),
        `notify-reload`).
        """
        self._tell("RELOADING=1", f"MONOTONIC_USEC={self._clock() * 1e6:.0f}")

    def stopping(self, within_s: float) -> None:
        """The end begins, and takes so long at most."""
        self._tell("STOPPING=1", _extension(within_s))

    def patience(self, seconds: float) -> None:
        """What is under way, the start or the end, takes so long from now at most."""
        self._tell(_extension(seconds))

    def alive(self) -> None:
        """For the watchdog; sends again what the manager had no room for."""
        self._tell(*(["WATCHDOG=1"] if self.watchdog_s else []))

    def status(self, text: str) -> None:
        """One line for people, sent when it is a new one."""
        line = " ".join(text.split())[:_MOST_CHARACTERS]
        if line != self._status:
            self._status = line
            self._tell(f"STATUS={line}")

    def _tell(self, *lines: str) -> None:
        if not self._is_there:
            return
        self._unsaid = [*self._unsaid[-_MOST_UNSAID:], *lines]
        if not self._unsaid:
            return
        # A manager that is away, or doesn't listen, is no reason not to serve.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(self._unsaid).encode(), self._address)
            self._unsaid.clear()


def _extension(seconds: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={seconds * 1e6:.0f}"
