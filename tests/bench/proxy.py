"""What the benchmark wants of a proxy, and the part that all of them share: a server process."""

from __future__ import annotations

import http.client
import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.bench import machine

_START_S = 30.0
_STOP_S = 20.0

#: Attached by every proxy in the place of what the client sends.
TOKEN = "bench-token-c0ffee"
#: Removed by every proxy from what the client sends.
STRIPPED = ("Cookie", "X-Api-Key", "Proxy-Authorization", "Forwarded")
CLIENT_ID = "spiffe://bench.example/gateway"
UPSTREAM_ID = "spiffe://bench.example/agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a proxy stands in front of, and what it shows there. Files are PEM.

    Attributes:
        answers_port: TLS port of the upstream that answers with JSON and files.
        streams_port: TLS port of the upstream of event streams and uploads.
        plain_port: the first without TLS, for the latency that is there without a proxy.
    """

    folder: Path
    certificate: Path
    private_key: Path
    trust_bundle: Path
    server_certificate: Path
    server_key: Path
    answers_port: int
    streams_port: int
    plain_port: int


class Proxy(Protocol):
    """One way from a local port to the upstreams."""

    name: str
    port: int
    streams_port: int

    def start(self) -> None:
        """Start it and wait until it answers."""
        ...

    def stop(self) -> None:
        """End it; nothing of it is left."""
        ...

    def pids(self) -> list[int]:
        """All its processes."""
        ...


class Server(ABC):
    """A server in a folder of its own, on one core or several."""

    name: str

    def __init__(self, site: Site, *cores: int) -> None:
        self.site = site
        self.folder = site.folder / self.name
        self.folder.mkdir(exist_ok=True)
        self.port = machine.free_port()
        self.streams_port = machine.free_port()
        self._cores = cores
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Write the configuration; the command that serves in the foreground."""

    @staticmethod
    @abstractmethod
    def version() -> str | None:
        """Name and version, or None when it isn't installed."""

    def start(self) -> None:
        """See `Proxy`."""
        with (self.folder / "output").open("wb") as output, machine.pinned(*self._cores):
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._wait_until_it_answers(self._process)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_S
        waiting = [self.port, self.streams_port]
        while waiting:
            if process.poll() is not None or time.monotonic() > deadline:
                text = (self.folder / "output").read_text(errors="replace")
                self.stop()
                raise RuntimeError(f"{self.name} did not come up:\n{text[-2000:]}")
            if answers(waiting[0]):
                waiting.pop(0)
            else:
                time.sleep(0.05)

    def stop(self) -> None:
        """See `Proxy`. With streams open a drain would take its time: kill what does not go."""
        process, self._process = self._process, None
        if process is None:
            return
        pids = machine.process_tree(process.pid)
        process.terminate()
        try:
            process.wait(_STOP_S if len(pids) > 1 else 1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def pids(self) -> list[int]:
        """See `Proxy`."""
        assert self._process is not None
        return machine.process_tree(self._process.pid)


def answers(port: int) -> bool:
    """Whether a small request is answered well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def first_line(*command: str) -> str | None:
    """What a program says about its version, or None when it can't be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = (done.stdout + done.stderr).split("\n")
    return next((line.strip() for line in lines if line.strip()), "")
