"""`devwiz-gw serve` as a real process, for end-to-end tests."""

from __future__ import annotations

import copy
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.fakes.authority import Authority

COMMAND = (sys.executable, "-m", "gateway")
DEADLINE_S = 15.0
SPIFFE_ID = "spiffe://acme.example/gw"


class AnyGateway:
    """One gateway; its folder holds the configuration, log (`gw.log`) and audit journal.

    Attributes:
        env: what is added to this process's own environment.
        within: what is put in front of its command.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "devwiz-gw.toml"
        self.env = {"XDG_STATE_HOME": str(folder / "state")}
        self.within: tuple[str, ...] = ()
        self._process: subprocess.Popen[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate(timeout=DEADLINE_S)

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process is not None
        return self._process.pid

    def another(self) -> Self:
        """A second process, not started, with the same folder and configuration."""
        twin = copy.copy(self)
        twin._process = None
        return twin

    def write_config(self, text: str) -> None:
        """Write the configuration file."""
        self.config.touch(0o600)
        self.config.write_text(text)

    def start(self) -> None:
        """Start it; returns at once."""
        self._process = subprocess.Popen(
            [*self.within, *COMMAND, "serve", "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | self.env,
        )

    def attend(self, process: subprocess.Popen[Any]) -> None:
        """Take over a gateway that was started in another way."""
        self._process = process

    def command(self, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """Another command about this gateway, finished, `said` having been its input."""
        return subprocess.run(
            [*COMMAND, *arguments, "--config", str(self.config)],
            input=said,
            capture_output=True,
            text=True,
            env=os.environ | self.env,
            timeout=2 * DEADLINE_S,
            check=False,
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        os.kill(self.pid, number)

    def wait(self) -> tuple[int, str, str]:
        """Its exit code, standard output and standard error."""
        assert self._process is not None
        out, err = self._process.communicate(timeout=DEADLINE_S)
        return self._process.returncode, out, err

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        """One request to the admin API."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect(str(self.folder / "admin.sock"))
            connection = http.client.HTTPConnection("gw")
            connection.sock = sock
            connection.request(method, path, headers={"Connection": "close"})
            with connection.getresponse() as reply:
                body = reply.read()
        return reply.status, json.loads(body) if body[:1] == b"{" else body.decode()

    def status(self) -> dict[str, Any]:
        """The document of `GET /status`."""
        code, body = self.ask("GET", "/status")
        assert code == 200
        assert isinstance(body, dict)
        return body

    def until(self, check: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the status document is as wanted."""
        last: object = None
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self._process.communicate()
            try:
                last = body = self.status()
            except (FileNotFoundError, ConnectionError):
                time.sleep(0.02)
                continue
            if check(body):
                return body
            time.sleep(0.02)
        raise AssertionError(f"not in {DEADLINE_S} s: {last}")

    def until_ready(self) -> dict[str, Any]:
        """Wait until all is well."""
        return self.until(lambda body: body["state"] == "ready")

    def address(self) -> str:
        """Host and port of the first listener of the first route."""
        address: str = self.status()["routes"][0]["listeners"][0]
        return address

    def request(
        self, method: str = "GET", path: str = "/", *, at: str = "", **options: Any
    ) -> tuple[int, bytes]:
        """One request to that address, or another one."""
        connection = http.client.HTTPConnection(at or self.address(), timeout=DEADLINE_S)
        connection.request(method, path, **options)
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, body

    def log(self) -> list[dict[str, Any]]:
        """The lines of the log file so far."""
        return [json.loads(line) for line in (self.folder / "gw.log").read_text().splitlines()]

    def audit(self) -> list[dict[str, Any]]:
        """The lines of the audit journal so far."""
        path = self.folder / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]


class GatewayProcess(AnyGateway):
    """A gateway with the `files` identity source, and its identity in the folder too."""

    def __init__(self, folder: Path, authority: Authority, *, upstream_port: int) -> None:
        super().__init__(folder)
        self._authority = authority
        self._upstream_port = upstream_port
        self.renew_identity()
        (folder / "ca.pem").write_text(authority.pem)
        self.configure()

    def use_authority(self, authority: Authority) -> None:
        """Let another one issue the next certificates."""
        self._authority = authority

    def renew_identity(self) -> None:
        """Put a new key and certificate where the gateway reads them."""
        leaf = self._authority.issue(SPIFFE_ID)
        for name, text in (("client.key", leaf.key_pem), ("client.crt", leaf.chain_pem)):
            fresh = self.folder / f"{name}.new"
            fresh.touch(0o600)
            fresh.write_text(text)
            fresh.rename(self.folder / name)

    def configure(self, text: str = "", *, listen: str = "127.0.0.1:0", more: str = "") -> None:
        """Write the configuration file: `text`, or one route with `more` appended."""
        plain = f"""
project = "acme"
[identity]
source = "files"
[identity.files]
certificate = "client.crt"
private_key = "client.key"
trust_bundle = "ca.pem"
[admin]
socket = "unix:admin.sock"
[limits]
drain_timeout_s = 5
[log]
file = "gw.log"
[[routes]]
name = "planner"
listen = "{listen}"
upstream = "https://localhost:{self._upstream_port}"
peer = ["dns:localhost"]
"""
        self.write_config((text or plain) + more)


def is_refused(address: tuple[str, int]) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        return True
    return False
