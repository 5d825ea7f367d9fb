"""A coding agent makes no keys or tokens of the project without a person's word, and who did is on
record.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.vault.conftest import Headless

AGENT = {"CLAUDECODE": "1"}
ROUTE = """
[identity]
source = "files"
[identity.files]
certificate = "c.pem"
private_key = "k.pem"
trust_bundle = "b.pem"

[[routes]]
name = "planner"
listen = "127.0.0.1:8701"
upstream = "https://agent.example.com"

[[routes.allow]]
token = "ide"
"""
PRINT = ("client", "print", "planner", "--token", "ide", "--json")
DEVICE_KEY = ("identity", "device-key", "laptop")


@pytest.fixture
def machine(headless: Headless) -> Headless:
    headless.make()
    headless.unlock()
    headless.project("acme", more=ROUTE)
    return headless


def lines(machine: Headless, action: str) -> list[dict[str, Any]]:
    path = machine.home / ".local" / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in found if line["action"] == action and line["outcome"] != "begun"]


@pytest.mark.parametrize("more", [(), ("--rotate",)])
def test_no_token_that_lets_it_in(machine: Headless, more: tuple[str, ...]) -> None:
    if more:
        machine.done(*PRINT)
    before = machine.get("local-token.ide")
    refused = machine.run(*PRINT, *more, env=AGENT)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Claude Code asks for leave for 'client token' of local-token.ide" in refused.stderr
    assert machine.get("local-token.ide") == before
    line = lines(machine, "token.mint")[-1]
    assert (line["outcome"], line["name"]) == ("denied", "local-token.ide")


def test_no_key_of_the_machine(machine: Headless) -> None:
    refused = machine.run(*DEVICE_KEY, env=AGENT)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "'identity device-key' of laptop" in refused.stderr
    assert lines(machine, "secret.write")[-1]["outcome"] == "denied"
    machine.done(*DEVICE_KEY)
    assert lines(machine, "secret.write")[-1]["outcome"] == "ok"
    assert "PUBLIC KEY" in machine.run(*DEVICE_KEY, env=AGENT).stdout
    assert lines(machine, "secret.read")[-1]["name"] == "laptop"
