"""A rotation beside a running gateway: the next request has the new value without a reload, what is
on its way finishes, programs are started again, and the old key ends after the grace. A gateway
that is killed in the middle goes on when it is started again.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Stack, StartStack
from tests.fakes.gateway_process import COMMAND, DEADLINE_S
from tests.fakes.key_server import LangSmithKeyServer
from tests.fakes.stack import Gateway

PASSPHRASE = "correct horse battery"
CONFIG = """
[routes.headers]
Authorization = "Bearer {{secret:PLANNER}}"

[secrets]
store = "vault"

[run.env]
PLANNER = "secret:PLANNER"

[rotate.planner]
provider = "langsmith"
secret = "PLANNER"
endpoint = "{url}"
grace = "2s"
on_switch = "restart"
"""


@pytest.fixture
def keys() -> Iterator[LangSmithKeyServer]:
    with LangSmithKeyServer() as server:
        yield server


def done(gateway: Gateway, *arguments: str, said: str = PASSPHRASE) -> None:
    result = gateway.command(*arguments, said=said)
    assert result.returncode == 0, result.stderr


@pytest.fixture
def stack(start_stack: StartStack, tmp_path: Path, keys: LangSmithKeyServer) -> Iterator[Stack]:
    made = start_stack()
    gateway = made.gateway
    gateway.env |= {"XDG_DATA_HOME": str(tmp_path / "data")}
    gateway.configure(more=CONFIG.format(url=keys.url))
    done(gateway, "vault", "init", "--passphrase-fd", "0", "--unlock-time", "0.1")
    done(gateway, "vault", "unlock", "--passphrase-fd", "0")
    try:
        done(gateway, "secret", "set", "PLANNER", said=keys.first)
        gateway.start()
        gateway.until_ready()
        yield made
    finally:
        done(gateway, "vault", "lock")
    told = json.dumps([gateway.status(), gateway.log(), gateway.audit()])
    assert "lsv2_sk_" not in told


def sent(stack: Stack) -> str:
    """The token that the next request takes along."""
    assert stack.gateway.request("GET", "/echo")[0] == 200
    return dict(stack.agent.headers[-1])["Authorization"]


def is_over(body: dict[str, object]) -> bool:
    rotations = body["rotations"]
    assert isinstance(rotations, list)
    rotation = rotations[0]["rotation"]
    return rotation is not None and rotation["phase"] == "done"


def until(path: Path, text: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not path.exists() or text not in path.read_text():
        assert time.monotonic() < end, path.read_text() if path.exists() else "nothing"
        time.sleep(0.02)


def test_the_next_request_has_the_new_value(
    stack: Stack, keys: LangSmithKeyServer, tmp_path: Path
) -> None:
    gateway, out = stack.gateway, tmp_path / "out"
    assert sent(stack) == f"Bearer {keys.first}"
    on_its_way = http.client.HTTPConnection(gateway.address(), timeout=DEADLINE_S)
    on_its_way.putrequest("POST", "/echo")
    on_its_way.putheader("Content-Length", "10")
    on_its_way.endheaders(b"first")
    program = ["sh", "-c", f'echo "got $PLANNER" >> {out}; exec sleep 60']
    child = subprocess.Popen(
        [*COMMAND, "run", "--config", str(gateway.config), "--", *program],
        env=os.environ | gateway.env,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(out, f"got {keys.first}")
        done(gateway, "rotate", "planner", said="")
        new = keys.values()[-1]
        assert new != keys.first
        assert sent(stack) == f"Bearer {new}"
        on_its_way.send(b"-last")
        reply = on_its_way.getresponse()
        assert (reply.status, json.loads(reply.read())["body"]) == (200, "first-last")
        until(out, f"got {new}")
    finally:
        on_its_way.close()
        child.send_signal(signal.SIGTERM)
        child.wait(DEADLINE_S)
    gateway.until(is_over)
    assert keys.values() == [new]
    assert sent(stack) == f"Bearer {new}"
    assert "config.reload" not in [line["action"] for line in gateway.audit()]


def ask(gateway: Gateway) -> socket.socket:
    """Ask the gateway to rotate; the answer isn't waited for."""
    body = b'{"name": "planner"}'
    head = b"POST /rotations HTTP/1.1\r\nHost: gw\r\nContent-Type: application/json\r\n"
    asking = socket.socket(socket.AF_UNIX)
    asking.connect(str(gateway.folder / "admin.sock"))
    asking.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return asking


def test_a_gateway_that_is_killed_goes_on(stack: Stack, keys: LangSmithKeyServer) -> None:
    gateway = stack.gateway
    keys.faults["POST"] = ["hang"]
    with ask(gateway):
        assert keys.hanging.wait(DEADLINE_S)
        assert len(keys.values()) == 2
        gateway.signal(signal.SIGKILL)
        gateway.wait()
    gateway.start()
    gateway.until(is_over)
    (new,) = keys.values()
    assert len(keys.ended) == 2, "the one whose value was lost, and the old one"
    assert sent(stack) == f"Bearer {new}"
