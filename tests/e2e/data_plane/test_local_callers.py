"""Only the callers that the route's rules allow are served; a refusal says why and is told on."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from gateway.ipc import events
from gateway.ipc.snapshot import AllowSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import fixed, response

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells on Linux only")

TOKEN = "dwgw_0123456789abcdef"
ASK = """
import encodings.idna, os, socket, sys
os.setuid(int(sys.argv[2]))
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
head = "GET / HTTP/1.1\\r\\nHost: localhost:%s\\r\\nConnection: close\\r\\n\\r\\n" % sys.argv[1]
peer.sendall(head.encode())
print(peer.makefile("rb").read().decode())
"""


def ask_as(uid: int, port: int) -> str:
    command = [sys.executable, "-I", "-c", ASK, str(port), str(uid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout


def by_token() -> AllowSpec:
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    return AllowSpec(uid=None, exe="", token="ide", token_sha256=digest)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can call as somebody else")
def test_another_user_is_refused_with_a_reason(lab: StartLab) -> None:
    here = lab(fixed(response(b"served")))
    answer = ask_as(12345, here.worker.ports[0])
    assert answer.startswith("HTTP/1.1 403 ")
    problem = json.loads(answer.partition("\n\n")[2])
    assert problem["detail"].startswith("the caller is user 12345")
    assert not here.upstream.requests
    here.worker.access_log(1)
    (told,) = here.worker.events(events.CALLER_DENIED)
    assert (told["route"], told["reason"]) == (here.worker.route.name, problem["detail"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can call as somebody else")
def test_a_rule_lets_another_user_in_and_the_own_one_out(lab: StartLab) -> None:
    here = lab(fixed(response(b"served")))
    here.worker.change(allow=(AllowSpec(uid=12345, exe="", token="", token_sha256=""),))
    assert ask_as(12345, here.worker.ports[0]).endswith("served\n")
    assert here.connect().get("/").status == 403


def test_a_token_opens_the_route_and_goes_no_further(lab: StartLab) -> None:
    here = lab(fixed(response(b"served")))
    here.worker.change(allow=(by_token(),))
    assert here.connect().get("/", "X-Devwiz-Gw-Token: wrong").status == 403
    assert here.connect().get("/", "x_devwiz_gw_token: " + TOKEN).status == 403
    assert here.connect().get("/", "X-Devwiz-Gw-Token: " + TOKEN).body == b"served"
    assert TOKEN.encode() not in b"".join(request.head for request in here.upstream.requests)


def test_a_refused_caller_does_not_fill_the_log_by_asking_again(lab: StartLab) -> None:
    here = lab(fixed(response(b"served")))
    here.worker.change(allow=(by_token(),))
    for _ in range(50):
        client = here.connect()
        assert client.get("/").field("connection") == "close"
        assert client.ended()
    here.worker.access_log(50)
    assert len(here.worker.events(events.CALLER_DENIED)) <= 3
