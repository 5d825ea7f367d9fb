"""go-spiffe, the standard's own library, follows the gateway through renewals and restarts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.components import require_program
from tests.fakes.authority import Authority
from tests.fakes.gateway_process import SPIFFE_ID, GatewayProcess

pytestmark = [pytest.mark.program("workload-client"), pytest.mark.timeout(60)]
DOMAIN = "spiffe://acme.example"


class GoClient:
    """The program of tests/programs/workload-client."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def next(self) -> dict[str, Any]:
        """What it says next."""
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        return said

    def shake(self) -> str:
        """The serial number that a handshake of its X509Source with itself shows."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return str(self.next()["shaken"])


@contextmanager
def go_client(verb: str, socket: Path) -> Iterator[GoClient]:
    command = [str(require_program("workload-client")), verb, f"unix://{socket}"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield GoClient(process)
        finally:
            process.kill()


def with_two_identities(gateway: GatewayProcess, *, allow: str = "") -> None:
    """The same files under another name are a second identity."""
    gateway.configure(
        more=f"""
[identities.second]
source = "files"
[identities.second.files]
certificate = "client.crt"
private_key = "client.key"
trust_bundle = "ca.pem"
[workload_api]
socket = "unix:w.sock"
{allow}
"""
    )


def test_go_spiffe_follows(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, Authority(), upstream_port=1) as gateway:
        with_two_identities(gateway)
        gateway.start()
        first = gateway.until_ready()["identity"]["serial"]
        socket = tmp_path / "w.sock"
        with go_client("watch", socket) as watching, go_client("source", socket) as source:
            said = watching.next()
            assert [(svid["id"], svid["hint"], svid["serial"]) for svid in said["svids"]] == [
                (SPIFFE_ID, "default", first),
                (SPIFFE_ID, "second", first),
            ]
            assert said["bundles"] == {DOMAIN: 1}
            assert source.shake() == first

            gateway.renew_identity()
            while {svid["serial"] for svid in said["svids"]} & {first}:
                said = watching.next()
            second = said["svids"][0]["serial"]
            while source.shake() != second:
                continue

            with_two_identities(
                gateway, allow='[[workload_api.allow]]\nuid = 54321\nidentities = ["second"]\n'
            )
            assert gateway.command("reload").returncode == 0
            assert watching.next() == {"failure": "PermissionDenied"}

            with_two_identities(gateway)
            assert gateway.command("reload").returncode == 0
            while "svids" not in (said := watching.next()):
                assert said == {"failure": "PermissionDenied"}
            assert said["svids"][0]["serial"] == second

            gateway.command("drain")
            assert watching.next() == {"failure": "Unavailable"}
            gateway.wait()
            gateway.start()
            while "svids" not in (said := watching.next()):
                assert said == {"failure": "Unavailable"}
            assert source.shake() == second
