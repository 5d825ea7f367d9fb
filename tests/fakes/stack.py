"""The whole program as its user runs it: an issuer, a gateway that joins it, an agent behind it."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from certs.issuer import ca
from certs.issuer.folder import init, open_issuer
from certs.issuer.one_time_tokens import Grant
from tests.fakes.gateway_process import COMMAND, DEADLINE_S, AnyGateway
from tests.fakes.processes import descendants
from tests.fakes.scripted_upstream import wait_until

TRUST_DOMAIN = "acme.example"
LAPTOP = f"spiffe://{TRUST_DOMAIN}/agent/laptop"


class IssuerProcess:
    """`devwiz-gw issuer serve`, on a port that stays the same when it is started again."""

    def __init__(self, folder: Path, *, life_s: int) -> None:
        self.folder = folder
        self._life_s = life_s
        authority = init(folder, trust_domain=TRUST_DOMAIN, now=datetime.now(UTC))
        self.ca_pin = authority.pin
        self.pem = ca.to_pem(authority.root).decode()
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and return when it listens."""
        self._process = subprocess.Popen(
            [
                *(*COMMAND, "issuer", "serve", "--dir", str(self.folder)),
                *("--listen", f"127.0.0.1:{self.port}", "--ttl", f"{self._life_s}s"),
            ],
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._is_listening)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
            self._process = None

    def token(self, workload: str = "laptop", *, uses: int = 10) -> str:
        """A join token for a workload."""
        service = open_issuer(self.folder).service
        try:
            grant = Grant(workload=workload, uses=uses)
            return service.make_token(grant, datetime.now(UTC)).text.reveal()
        finally:
            service.close()

    def _is_listening(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the issuer ended"
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False


class JoinedGateway(AnyGateway):
    """A gateway that joins an issuer as a workload."""

    def __init__(self, folder: Path, issuer: IssuerProcess, workload: str) -> None:
        super().__init__(folder)
        self.token = issuer.token(workload)
        token_file = folder / "join-token"
        token_file.touch(0o600)
        token_file.write_text(self.token)
        self._issuer = issuer

    def write_routes(self, routes: str, *, drain_s: float = 5, limits: str = "") -> None:
        """Write the configuration file with these tables of routes."""
        self.write_config(f"""
project = "acme"
[identity]
source = "issuer"
[identity.issuer]
url = "{self._issuer.url}"
ca_pin = "{self._issuer.ca_pin}"
token_file = "join-token"
[admin]
socket = "unix:admin.sock"
[log]
level = "debug"
file = "gw.log"
[limits]
drain_timeout_s = {drain_s}
{limits}
{routes}""")

    def renewed(self, to: int) -> None:
        """Wait for this generation."""
        self.until(lambda body: body["identity"]["generation"] >= to)


class Gateway(JoinedGateway):
    """One whose first route leads to `agent_port`."""

    def __init__(
        self, folder: Path, issuer: IssuerProcess, *, agent_port: int, agent_bundle: str
    ) -> None:
        super().__init__(folder, issuer, "laptop")
        (folder / "upstream-ca.pem").write_text(agent_bundle)
        self._agent_port = agent_port
        self.configure()

    def configure(
        self, *, listen: str = "127.0.0.1:0", drain_s: float = 5, limits: str = "", more: str = ""
    ) -> None:
        """Write the configuration file: the route `planner`, with `more` appended."""
        routes = self.route("planner", listen=listen) + more
        self.write_routes(routes, drain_s=drain_s, limits=limits)

    def route(self, name: str, *, listen: str = "127.0.0.1:0") -> str:
        """The table of a route to the agent."""
        return f"""
[[routes]]
name = "{name}"
listen = "{listen}"
upstream = "https://localhost:{self._agent_port}"
peer = ["dns:localhost"]
trust_bundle = "upstream-ca.pem"
"""

    def worker_pids(self) -> list[int]:
        """Of the workers."""
        return [worker["pid"] for worker in self.status()["workers"]]

    def pids(self) -> list[int]:
        """Of the supervisor and everything that it started."""
        return [self.pid, *descendants(self.pid)]


@contextmanager
def bounded_memory(gateway: Gateway, *, most_growth: int) -> Iterator[None]:
    """Sample the resident memory of the process tree while the block runs; it may hardly grow."""
    before = most = _resident(gateway.pids())
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, _resident(gateway.pids()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert most - before < most_growth, f"grew by {(most - before) >> 10} KiB"


def _resident(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            total += pages * 4096
    return total


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
