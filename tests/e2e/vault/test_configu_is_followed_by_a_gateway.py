"""A running gateway follows Configu: the next request has the next value, and what is too old to be
used is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.e2e.conftest import Stack, StartStack
from tests.fakes.configu_server import TOKEN, ConfiguServer
from tests.fakes.stack import Gateway

PASSPHRASE = "correct horse battery"
CONFIG = """
[routes.headers]
Authorization = "Bearer {secret:PLANNER}"

[secrets]
store = "vault"

[run.env]
PLANNER = "secret:PLANNER"
"""


@pytest.fixture
def configu() -> Iterator[ConfiguServer]:
    with ConfiguServer() as server:
        server.configs["", "PLANNER"] = "first-canary"
        yield server


def done(gateway: Gateway, *arguments: str, said: str = PASSPHRASE) -> None:
    result = gateway.command(*arguments, said=said)
    assert result.returncode == 0, result.stderr


@pytest.fixture
def stack(start_stack: StartStack, tmp_path: Path, configu: ConfiguServer) -> Iterator[Stack]:
    made = start_stack()
    gateway = made.gateway
    gateway.env |= {"XDG_DATA_HOME": str(tmp_path / "data")}
    gateway.configure(more=CONFIG + configu.table("app.cfgu.json", "interval_s = 5"))
    (gateway.folder / "app.cfgu.json").write_text(json.dumps({"PLANNER": {"required": True}}))
    done(gateway, "vault", "init", "--passphrase-fd", "0", "--unlock-time", "0.1")
    done(gateway, "vault", "unlock", "--passphrase-fd", "0")
    try:
        done(gateway, "login", "configu", said=TOKEN)
        gateway.start()
        gateway.until_ready()
        yield made
    finally:
        done(gateway, "vault", "lock")
    told = json.dumps([gateway.status(), gateway.log(), gateway.audit()])
    assert "-canary" not in told


def run_true(gateway: Gateway) -> CompletedProcess[str]:
    return gateway.command("run", "--config", str(gateway.config), "--", "true")


def test_the_next_request_has_the_next_value(stack: Stack, configu: ConfiguServer) -> None:
    gateway = stack.gateway
    assert gateway.request("GET", "/echo")[0] == 200
    configu.configs["", "PLANNER"] = "second-canary"
    seen = set()

    def has_the_second(_body: object) -> bool:
        assert gateway.request("GET", "/echo")[0] == 200
        seen.add(dict(stack.agent.headers[-1])["Authorization"])
        return "Bearer second-canary" in seen

    gateway.until(has_the_second)
    assert seen <= {"Bearer first-canary", "Bearer second-canary"}


def test_what_is_too_old_is_used_no_more(stack: Stack, configu: ConfiguServer) -> None:
    gateway = stack.gateway
    configu.fails = 503
    body = gateway.until(lambda body: bool(body["configu"]["problem"]))
    assert body["state"] == "ready"
    assert body["configu"]["age_s"] >= 0
    assert "CONFIGU" in gateway.command("status").stdout
    assert run_true(gateway).returncode == 0
    make_old(gateway)
    refused = run_true(gateway)
    assert refused.returncode == 1
    assert "too old to be used" in refused.stderr
    gateway.command("reload")
    body = gateway.until(lambda body: body["state"] == "degraded")
    assert "max_offline_s" in body["reasons"][0]
    assert gateway.request("GET", "/echo")[0] == 503
    configu.fails = 0
    gateway.until_ready()
    assert gateway.request("GET", "/echo")[0] == 200


def make_old(gateway: Gateway) -> None:
    """Let the last answer be years old."""
    (path,) = gateway.folder.rglob("configu-contact.json")
    contact = json.loads(path.read_text())
    path.write_text(json.dumps(contact | {"answered_at": "2020-01-01T00:00:00+00:00"}))
