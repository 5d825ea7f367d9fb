"""A route whose secret is in a locked vault says so, and works once the vault is unlocked; it goes
on working when the vault is locked again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import StartStack
from tests.fakes.stack import Gateway

PASSPHRASE = "correct horse battery"
CONFIG = """
[routes.headers]
Authorization = "Bearer {secret:planner-token}"

[secrets]
store = "vault"
"""


def done(gateway: Gateway, *arguments: str, said: str = PASSPHRASE) -> None:
    result = gateway.command(*arguments, said=said)
    assert result.returncode == 0, result.stderr


def unlock(gateway: Gateway) -> None:
    done(gateway, "vault", "unlock", "--passphrase-fd", "0")


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    return {"XDG_DATA_HOME": str(tmp_path / "data")}


def test_locked_unlocked_locked(start_stack: StartStack, data: dict[str, str]) -> None:
    stack = start_stack()
    gateway = stack.gateway
    gateway.env |= data
    gateway.configure(more=CONFIG)
    done(gateway, "vault", "init", "--passphrase-fd", "0", "--unlock-time", "0.1")
    unlock(gateway)
    done(gateway, "secret", "set", "planner-token", said="the-value")
    done(gateway, "vault", "lock")
    gateway.start()
    body = gateway.until(lambda body: body["state"] == "degraded")
    assert "the vault is locked: unlock it" in body["reasons"][0]
    unlock(gateway)
    try:
        done(gateway, "reload")
        gateway.until_ready()
        assert gateway.request("GET", "/echo")[0] == 200
    finally:
        done(gateway, "vault", "lock")
    assert gateway.request("GET", "/echo")[0] == 200
    for fields in stack.agent.headers:
        assert dict(fields)["Authorization"] == "Bearer the-value"
