"""On a terminal the log is text that a person reads; everywhere else, and if told so, JSON."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess

import pytest

from tests.fakes.gateway_process import COMMAND, GatewayProcess


def logged_on_a_terminal(gateway: GatewayProcess, more: str) -> str:
    """What a terminal shows of one request's life."""
    text = gateway.config.read_text().replace('file = "gw.log"', more)
    gateway.configure(text)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "serve", "--config", str(gateway.config)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | gateway.env,
    )
    os.close(theirs)
    gateway.attend(process)
    gateway.until_ready()
    assert gateway.request("POST", "/hello", body=b"x")[0] == 200
    gateway.signal(signal.SIGTERM)
    assert process.wait(15) == 0
    shown = b""
    try:
        while data := os.read(ours, 65_536):
            shown += data
    except OSError:
        pass  # the end of a terminal
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize("more", ["", 'format = "text"'])
def test_it_is_text(gateway: GatewayProcess, more: str) -> None:
    lines = logged_on_a_terminal(gateway, more).splitlines()
    assert any(" info    worker " in line and line.endswith("is ready") for line in lines)
    assert any("request planner  POST /hello  200 in " in line for line in lines)
    assert not any("{" in line for line in lines)


def test_it_is_json_if_told_so(gateway: GatewayProcess) -> None:
    lines = logged_on_a_terminal(gateway, 'format = "json"').splitlines()
    assert any(json.loads(line).get("event") == "request" for line in lines)
