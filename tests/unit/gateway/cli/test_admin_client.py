"""Talking to the admin socket, and what each failure is called."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gateway.cli.admin_client import AdminClient, client_for
from gateway.errors import ConfigInvalid, GatewayError, NotRunning
from tests.fakes.admin_server import FakeAdminServer


def test_reads_status(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with FakeAdminServer(path, {"GET /status": (200, {"state": "ready"})}) as server:
        assert AdminClient(path).status() == {"state": "ready"}
    assert server.requests == ["GET /status"]


def test_a_socket_that_nobody_listens_on(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with pytest.raises(NotRunning, match="no gateway answers on"):
        AdminClient(path).status()
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    with pytest.raises(NotRunning, match="no gateway answers on"):
        AdminClient(path).status()


def test_a_silent_gateway_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with (
        FakeAdminServer(path, {"GET /livez": (200, {})}, delay_s=5.0),
        pytest.raises(NotRunning, match=r"did not answer within 0\.1 s"),
    ):
        AdminClient(path).get("/livez", deadline_s=0.1)


@pytest.mark.parametrize("body", [b"not json", b"[1]", b""])
def test_an_answer_that_is_not_a_gateways(body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with (
        FakeAdminServer(path, {"GET /status": (200, body)}),
        pytest.raises(NotRunning, match="is not a gateway"),
    ):
        AdminClient(path).status()


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="too long"):
        AdminClient(tmp_path / ("x" * 200)).status()


def test_a_refusal_is_raised_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    refusal = {"title": "not now", "detail": "wait until it has started"}
    with (
        FakeAdminServer(path, {"GET /status": (403, refusal)}),
        pytest.raises(GatewayError, match="the gateway refused 'status': not now") as caught,
    ):
        AdminClient(path).status()
    assert caught.value.hint == "wait until it has started"


def test_an_agent_is_told_what_a_person_is_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    title = "Claude Code asks for it: run the command yourself in a terminal"
    refusal = {"title": title, "detail": "POST /reload"}
    with (
        FakeAdminServer(path, {"POST /reload": (403, refusal)}),
        pytest.raises(GatewayError, match=r"refused 'reload': Claude Code asks for it$") as caught,
    ):
        AdminClient(path).post("/reload")
    assert caught.value.hint == "run the command yourself in a terminal"


def test_what_is_not_there_is_said_without_the_path_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    missing = {"title": "no request of that id is remembered", "detail": "look into the log"}
    with (
        FakeAdminServer(path, {"GET /requests/ab-1": (404, missing)}),
        pytest.raises(GatewayError, match=r"^no request of that id is remembered$") as caught,
    ):
        AdminClient(path).document("/requests/ab-1")
    assert caught.value.hint == "look into the log"


def test_a_refused_configuration_lists_its_problems(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    refusal = {
        "title": "/x.toml: 1 problem in the configuration",
        "problems": [{"key": "project", "message": "is missing", "hint": "name it"}],
    }
    with (
        FakeAdminServer(path, {"POST /reload": (409, refusal)}),
        pytest.raises(ConfigInvalid, match=r"/x\.toml: 1 problem") as caught,
    ):
        AdminClient(path).post("/reload")
    assert caught.value.problems[0].key == "project"


def test_the_socket_is_the_one_that_the_file_names(workdir: Path) -> None:
    assert repr(client_for(None)) == f"AdminClient({workdir / 'devwiz-gw.sock'})"
    (workdir / "other.toml").write_text('[admin]\nsocket = "unix:run/o.sock"\n')
    assert repr(client_for(Path("other.toml"))) == f"AdminClient({workdir / 'run/o.sock'})"


def test_a_file_that_was_broken_since_still_finds_its_gateway(workdir: Path) -> None:
    (workdir / "devwiz-gw.toml").write_text("broken")
    assert repr(client_for(None)) == f"AdminClient({workdir / 'devwiz-gw.sock'})"
