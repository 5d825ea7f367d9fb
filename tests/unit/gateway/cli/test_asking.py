"""Verbs whose answers change while they watch: wait, status --watch, identity renew."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli.exit_codes import ExitCode
from gateway.cli.main import main
from tests.unit.gateway.cli.conftest import NOT_READY, READY, Answer, StartAdmin

if TYPE_CHECKING:
    import pytest


def in_turn(*answers: Answer) -> Any:
    """A function that gives each answer once, and the last one ever after."""
    left = list(answers)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def with_identity(**identity: object) -> Answer:
    return 200, {"state": "ready", "identity": identity}


def test_wait_returns_once_it_is_ready(start_admin: StartAdmin) -> None:
    answers = in_turn((503, NOT_READY), (503, NOT_READY), (200, READY))
    server = start_admin({"GET /readyz": answers})
    assert main(["wait", "--timeout", "5"]) == ExitCode.OK
    assert server.requests == ["GET /readyz"] * 3


def test_wait_outlasts_a_gateway_that_is_slow_to_answer(start_admin: StartAdmin) -> None:
    start_admin({"GET /readyz": (200, READY)}, delay_s=5.0)
    assert main(["wait", "--timeout", "0.2"]) == ExitCode.NOT_RUNNING


def test_watch_redraws_until_interrupted(
    start_admin: StartAdmin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start_admin({"GET /status": in_turn((200, {"state": "starting"}), (200, {"state": "ready"}))})
    pauses: Iterator[BaseException | None] = iter([None, KeyboardInterrupt()])
    slept: list[float] = []

    def pause(seconds: float) -> None:
        slept.append(seconds)
        if (interrupt := next(pauses)) is not None:
            raise interrupt

    monkeypatch.setattr("time.sleep", pause)
    assert main(["status", "--watch", "7"]) == ExitCode.OK
    assert slept == [7.0, 7.0]
    text = capsys.readouterr().out
    assert text.index("starting") < text.index("ready")


def test_a_terminal_gets_colour_and_a_picture_that_fits(start_admin: StartAdmin) -> None:
    route = {"name": "planner", "upstream": "https://" + "planner." * 20 + "example"}
    start_admin({"GET /status": (200, {"state": "ready", "routes": [route]})})
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    environment = {"PYTHONPATH": str(Path(__file__).parents[4]), "TERM": "xterm"}
    subprocess.run(
        [sys.executable, "-m", "gateway", "status"],
        stdout=terminal,
        env=environment,
        timeout=30,
        check=True,
    )
    seen = os.read(controller, 65536).decode()
    os.close(controller)
    os.close(terminal)
    assert "\x1b[32mready\x1b[0m" in seen
    assert "\n  planner\r" in seen


def test_watch_goes_on_while_nothing_runs(
    workdir: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pause(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", pause)
    assert main(["status", "--watch"]) == ExitCode.NOT_RUNNING
    assert "no gateway answers" in capsys.readouterr().err


def test_renew_waits_for_the_next_generation(
    start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    old = with_identity(generation=3, serial="aa")
    new = with_identity(generation=4, serial="bb")
    server = start_admin(
        {"GET /status": in_turn(old, old, new), "POST /identity/renew": (200, {"ok": True})}
    )
    assert main(["identity", "renew"]) == ExitCode.OK
    assert capsys.readouterr().out == "renewed: generation 4, serial bb\n"
    assert server.requests[1] == "POST /identity/renew"


def test_renew_tells_why_it_failed(
    start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = with_identity(
        generation=3,
        last_error="the issuer refused the connection",
        last_error_hint="is it running?",
        last_error_at="2026-11-24T12:00:00Z",
    )
    answers = {
        "GET /status": in_turn(with_identity(generation=3), failed),
        "POST /identity/renew": (200, {"ok": True}),
    }
    start_admin(answers)
    assert main(["identity", "renew"]) == ExitCode.FAILED
    assert capsys.readouterr().err == (
        "error: the renewal failed: the issuer refused the connection\nhint: is it running?\n"
    )


def test_renew_tells_at_once_when_it_is_too_soon(
    start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = 200, {"ok": True, "age_s": 12.3, "possible_in_s": 851.7}
    server = start_admin(
        {"GET /status": with_identity(generation=3), "POST /identity/renew": asked}
    )
    assert main(["identity", "renew"]) == ExitCode.FAILED
    assert capsys.readouterr().err.startswith(
        "error: the certificate is 12s old; the next renewal is possible in 14m 11s\nhint: "
    )
    assert server.requests == ["GET /status", "POST /identity/renew"]


def test_renew_tells_why_the_source_is_not_asked_again_yet(
    start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = with_identity(generation=3, last_error="busy", last_error_at="2026-11-24T12:00:00Z")
    asked = 200, {"ok": True, "age_s": 3000.0, "possible_in_s": 40.0}
    start_admin({"GET /status": failed, "POST /identity/renew": asked})
    assert main(["identity", "renew"]) == ExitCode.FAILED
    text = "the last renewal failed: busy; the next renewal is possible in 40s"
    assert text in capsys.readouterr().err


def test_renew_waits_for_what_is_possible_soon(
    start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = with_identity(generation=3), with_identity(generation=4, serial="bb")
    asked = 200, {"ok": True, "age_s": 2.0, "possible_in_s": 3.0}
    start_admin({"GET /status": in_turn(old, old, new), "POST /identity/renew": asked})
    assert main(["identity", "renew"]) == ExitCode.OK
    assert "generation 4" in capsys.readouterr().out


def test_renew_gives_up_at_its_deadline(
    start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    old = with_identity(generation=3, last_error="old news", last_error_at="2026-11-24T12:00:00Z")
    start_admin({"GET /status": old, "POST /identity/renew": (200, {"ok": True})})
    assert main(["identity", "renew", "--timeout", "0.1"]) == ExitCode.FAILED
    assert "no new certificate within 0.1 s" in capsys.readouterr().err


def test_renew_one_of_several(start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    def both(generation: int) -> Answer:
        other = {"name": "billing", "generation": generation, "serial": "cc"}
        return 200, {"identities": [{"name": "default", "generation": 7}, other]}

    server = start_admin(
        {
            "GET /status": in_turn(both(1), both(1), both(2)),
            "POST /identity/renew?name=billing": (200, {"ok": True}),
        }
    )
    assert main(["identity", "renew", "billing"]) == ExitCode.OK
    assert capsys.readouterr().out == "renewed: generation 2, serial cc\n"
    assert server.requests[1] == "POST /identity/renew?name=billing"
    assert main(["identity", "renew", "other"]) == ExitCode.FAILED
    assert "hint: there are: default, billing" in capsys.readouterr().err


def test_show_one_and_all(start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    every = [{"name": name, "generation": 1, "serial": name[:2]} for name in ("default", "other")]
    start_admin({"GET /status": (200, {"identity": every[0], "identities": every})})
    assert main(["identity", "show"]) == ExitCode.OK
    assert "\nother " in capsys.readouterr().out
    assert main(["identity", "show", "other"]) == ExitCode.OK
    assert "  serial        ot\n" in capsys.readouterr().out
    assert main(["identity", "show", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == every[0] | {"identities": every}
    assert main(["identity", "show", "other", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == every[1]


def test_identity_show(start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    start_admin({"GET /status": with_identity(generation=3, spiffe_id="spiffe://a/b")})
    assert main(["identity", "show"]) == ExitCode.OK
    assert "  SPIFFE id     spiffe://a/b\n" in capsys.readouterr().out
