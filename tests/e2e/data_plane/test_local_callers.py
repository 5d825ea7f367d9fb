"""Only the callers that the route's rules allow are served; a refusal says why and is told on."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from gateway.ipc import events
from gateway.ipc.grants import OTHER_PROGRAMS
from gateway.ipc.snapshot import AllowSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.other_user import AS_ROOT, STRANGER, ask_as
from tests.fakes.scripted_upstream import fixed, response

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells on Linux only")

TOKEN = "dwgw_0123456789abcdef"
OURS = str(Path("/proc/self/exe").readlink()) if sys.platform == "linux" else ""


def by_token() -> AllowSpec:
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    return AllowSpec(uid=None, exe="", token="ide", token_sha256=digest)


@AS_ROOT
def test_another_user_is_refused_with_a_reason(lab: StartLab) -> None:
    here = lab(fixed(response(b"served")))
    answer = ask_as(STRANGER, here.worker.ports[0])
    assert answer.startswith("HTTP/1.1 403 ")
    problem = json.loads(answer.partition("\n\n")[2])
    assert problem["detail"].startswith(f"the caller is user {STRANGER}")
    assert not here.upstream.requests
    here.worker.access_log(1)
    (told,) = here.worker.events(events.CALLER_DENIED)
    assert told["route"] == here.worker.route.name
    # The caller is gone by now, or its program can be told too.
    assert told["reason"].startswith(f"{problem['detail']} (uid:{STRANGER}")


@AS_ROOT
def test_a_rule_lets_another_user_in_and_the_own_one_out(lab: StartLab) -> None:
    here = lab(fixed(response(b"served")))
    here.worker.change(allow=(AllowSpec(uid=STRANGER, exe="", token="", token_sha256=""),))
    assert ask_as(STRANGER, here.worker.ports[0]).endswith("served\n")
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


def by_program(exe: str) -> AllowSpec:
    return AllowSpec(uid=os.getuid(), exe=exe, token="", token_sha256="")


@pytest.mark.parametrize("over", ["TCP", "a Unix socket"])
def test_a_rule_by_program(lab: StartLab, tmp_path: Path, over: str) -> None:
    unix_socket = None if over == "TCP" else tmp_path / "s"
    here = lab(fixed(response(b"served")), unix_socket=unix_socket, grants=(OTHER_PROGRAMS,))
    here.worker.change(allow=(by_program("/usr/bin/other"),))
    assert here.connect().get("/").status == 403
    here.worker.change(allow=(by_program("/usr/bin/other"), by_program(OURS)))
    assert here.connect().get("/").body == b"served"
    refused, served = here.worker.access_log(2)
    assert served["caller"].endswith(f" exe:{OURS}")
    assert refused["reason"] == "caller_denied"
    (told,) = here.worker.events(events.CALLER_DENIED)
    assert told["reason"].endswith(f" exe:{OURS})")


@AS_ROOT
def test_another_user_on_a_unix_socket(lab: StartLab) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "s")
        here = lab(fixed(response(b"served")), unix_socket=place)
        # What the modes would stop.
        place.parent.chmod(0o755)
        place.chmod(0o666)
        assert ask_as(STRANGER, str(place)).startswith("HTTP/1.1 403 ")
        assert not here.upstream.requests


def test_a_caller_that_has_left_is_nobody(lab: StartLab) -> None:
    """Its request was read, and nobody is there any more to be asked about."""
    here = lab(fixed(response(b"served")))
    os.kill(here.worker.pid, signal.SIGSTOP)
    client = here.connect()
    client.send(client.post_bytes(b"order"))
    client.close()
    os.kill(here.worker.pid, signal.SIGCONT)
    (line,) = here.worker.access_log(1)
    assert line["caller"] == "unknown"
    assert here.upstream.accepted == 0
