"""A service manager: the datagram socket that it hears on, and how it starts a service."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from tests.fakes.gateway_process import COMMAND, DEADLINE_S, AnyGateway

#: Puts the sockets where sd_listen_fds(3) wants them, and its own number into the environment.
_STARTER: Final = """
import os, sys
count = int(sys.argv[1])
for at in range(count):
    os.dup2(int(sys.argv[2 + at]), 3 + at)
for name in ("LISTEN_PID", "WATCHDOG_PID"):
    if name in os.environ:
        os.environ[name] = str(os.getpid())
command = sys.argv[2 + count:]
os.execv(command[0], command)
"""


class FakeServiceManager:
    """Hears what services tell it. `name` is its socket's: a path, or an abstract one with `@`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(DEADLINE_S)
        self._socket.bind(name.replace("@", "\0", 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def hear(self) -> str:
        """The next message."""
        self.heard.append(self._socket.recv(65_536).decode())
        return self.heard[-1]

    def hear_until(self, line: str) -> list[str]:
        """All messages up to one with this line, or with one that begins so if it ends in `=`."""
        begin = len(self.heard)
        while True:
            for told in self.hear().split("\n"):
                if told == line or (line.endswith("=") and told.startswith(line)):
                    return self.heard[begin:]

    def start(
        self,
        gateway: AnyGateway,
        *,
        sockets: Sequence[socket.socket] = (),
        names: Sequence[str] = (),
        watchdog_us: int = 0,
    ) -> None:
        """Start the gateway as its service, with these listening sockets."""
        more = {"NOTIFY_SOCKET": self.name}
        if watchdog_us:
            more |= {"WATCHDOG_USEC": str(watchdog_us), "WATCHDOG_PID": "ours"}
        if sockets:
            more |= {"LISTEN_PID": "ours", "LISTEN_FDS": str(len(sockets))}
            more |= {"LISTEN_FDNAMES": ":".join(names)}
        # High numbers, so that none is overwritten before it was put into its place.
        numbers = [_duplicate(item) for item in sockets]
        try:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _STARTER, str(len(numbers)), *map(str, numbers)),
                    *(*COMMAND, "serve", "--config", str(gateway.config)),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | gateway.env | more,
                pass_fds=numbers,
            )
        finally:
            for number in numbers:
                os.close(number)
        gateway.attend(process)


def _duplicate(item: socket.socket) -> int:
    import fcntl

    return fcntl.fcntl(item.fileno(), fcntl.F_DUPFD_CLOEXEC, 100)


def environment_of(pid: int) -> set[str]:
    """The names in the environment that a process was started with."""
    data = Path(f"/proc/{pid}/environ").read_bytes()
    return {item.partition(b"=")[0].decode() for item in data.split(b"\0") if item}
