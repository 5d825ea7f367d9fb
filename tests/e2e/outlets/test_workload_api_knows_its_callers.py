"""Each user and program gets what its rules say, and a refusal is in the journal once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.fakes.authority import Authority
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.other_user import AS_ROOT, STRANGER
from tests.fakes.workload_client import failure, workload_client

pytestmark = pytest.mark.timeout(60)
_ASK = """
import json, os, sys
from tests.fakes.workload_client import workload_client
with workload_client(sys.argv[2]) as client:
    os.setuid(int(sys.argv[1]))
    try:
        print(json.dumps([svid.hint for svid in next(client.svids()).svids]))
    except Exception as error:
        print(json.dumps(error.code().name))
"""


def ask_as(uid: int, socket: Path) -> object:
    """The hints of the SVIDs that a user gets, or the status."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK, str(uid), str(socket)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users can go through."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o711)
        yield path


@AS_ROOT
def test_other_users_get_what_their_rules_say(tmp_path: Path, shared: Path) -> None:
    python = os.path.realpath(sys.executable)
    with GatewayProcess(tmp_path, Authority(), upstream_port=1) as gateway:
        gateway.configure(
            more=f"""
[identities.second]
source = "files"
[identities.second.files]
certificate = "client.crt"
private_key = "client.key"
trust_bundle = "ca.pem"
[workload_api]
socket = "unix:{shared}/w.sock"
[[workload_api.allow]]
uid = {STRANGER}
exe = "{python}"
identities = ["second"]
[[workload_api.allow]]
uid = {STRANGER}
exe = "/usr/bin/other"
[[workload_api.allow]]
uid = 0
exe = "{python}"
"""
        )
        gateway.start()
        gateway.until_ready()
        assert (shared / "w.sock").stat().st_mode & 0o777 == 0o666
        assert ask_as(STRANGER, shared / "w.sock") == ["second"]
        assert ask_as(0, shared / "w.sock") == ["default", "second"]
        for _ in range(3):
            assert ask_as(STRANGER + 1, shared / "w.sock") == "PERMISSION_DENIED"
        gateway.command("drain")
        gateway.wait()
        lines = [line for line in gateway.audit() if line["action"] == "workload_api.fetch"]
    assert [line["outcome"] for line in lines] == ["ok", "ok", "denied"]
    assert lines[0]["name"].startswith(f"uid:{STRANGER} pid:")
    assert lines[0]["name"].endswith(f" exe:{python}")
    assert f"uid:{STRANGER + 1} " in lines[2]["reason"]


def test_hostile_callers_leave_the_others_alone(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, Authority(), upstream_port=1) as gateway:
        gateway.configure(more='[workload_api]\nsocket = "unix:w.sock"\n')
        gateway.start()
        gateway.until_ready()
        path = tmp_path / "w.sock"
        with workload_client(path) as client:
            stream = client.svids()
            next(stream)
            crowd = []
            for number in range(200):
                item = socket.socket(socket.AF_UNIX)
                item.connect(str(path))
                crowd.append(item)
                try:
                    item.sendall(b"\0" * number if number % 2 else b"GET / HTTP/1.1\r\n\r\n")
                except (BrokenPipeError, ConnectionResetError):
                    continue  # it was one too many
            gateway.renew_identity()
            next(stream)
            for item in crowd:
                item.close()
            assert failure(client.svids(metadata=())) is grpc.StatusCode.INVALID_ARGUMENT
        with workload_client(path) as client:
            next(client.svids())
        assert gateway.status()["state"] == "ready"
