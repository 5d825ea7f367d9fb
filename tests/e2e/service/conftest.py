"""A gateway in front of an upstream that answers: as a process, or as a service in a machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.authority import Authority
from tests.fakes.gateway_process import SPIFFE_ID
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.machine import PERSON, SYSTEMD, Machine, require_machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    """One that systemd runs."""
    require_machine()
    with Machine() as made:
        yield made


@pytest.fixture
def person(machine: Machine) -> tuple[str, int]:
    """A user of the machine with a service manager of its own."""
    name, uid = PERSON
    runtime = f"/run/user/{uid}"
    # The first sandboxed service of the machine makes a place that those of users need.
    machine.run("systemd-run", "--wait", "--property=ProtectSystem=strict", "true")
    machine.run("install", "-d", "-m", "0700", "-o", str(uid), runtime)
    machine.run(
        *("systemd-run", "--unit=manager", f"--uid={uid}", "--property=Type=notify"),
        *("--property=Delegate=yes", f"--setenv=XDG_RUNTIME_DIR={runtime}"),
        *(f"--setenv=HOME=/home/{name}", SYSTEMD, "--user"),
    )
    return PERSON


class Placed:
    """Puts a gateway's files into a machine."""

    def __init__(self, machine: Machine, authority: Authority, upstream_port: int) -> None:
        self._machine = machine
        self._authority = authority
        self._upstream_port = upstream_port

    def put(
        self,
        folder: str,
        owner: tuple[str, int],
        *,
        listen: str,
        more: str = '[secrets]\nstore = "memory"',
    ) -> str:
        """The configuration's path; its admin socket is in the run folder of the owner."""
        run = "/run" if owner[0] != PERSON[0] else f"/run/user/{owner[1]}"
        leaf = self._authority.issue(SPIFFE_ID)
        text = f"""
project = "acme"
{more}
[identity]
source = "files"
[identity.files]
certificate = "client.crt"
private_key = "client.key"
trust_bundle = "ca.pem"
[admin]
socket = "unix:{run}/devwiz-gw/admin.sock"
[[routes]]
name = "planner"
listen = "{listen}"
upstream = "https://localhost:{self._upstream_port}"
peer = ["dns:localhost"]
"""
        files = {
            "client.key": leaf.key_pem,
            "client.crt": leaf.chain_pem,
            "ca.pem": self._authority.pem,
        }
        for name, content in (*files.items(), ("devwiz-gw.toml", text)):
            self._machine.write(f"{folder}/{name}", content, owner=owner)
        return f"{folder}/devwiz-gw.toml"


@pytest.fixture
def placed(machine: Machine, authority: Authority, upstream: ScriptedUpstream) -> Placed:
    """A gateway's files for the machine, whose upstream answers."""
    return Placed(machine, authority, upstream.port)
