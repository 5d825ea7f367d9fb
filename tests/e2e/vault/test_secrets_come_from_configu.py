"""A project's secrets come from Configu, and none is written over that somebody set here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.vault.conftest import Headless
from tests.fakes.configu_server import QUEUE, TOKEN, UNUSED_ROUTE, ConfiguServer

SCHEMA = {
    "API_KEY": {"type": "String", "required": True},
    "DB_URL": {"type": "String", "pattern": "^postgres://"},
    "LEVEL": {"type": "String", "default": "info"},
    "LD_PRELOAD": {"type": "String"},
    "PROXY": {"type": "String"},
}


def tables(configu: ConfiguServer) -> str:
    """What the project has beside its store."""
    return UNUSED_ROUTE + configu.table("app.cfgu.json", 'set = "prod/eu"')


@pytest.fixture
def configu() -> Iterator[ConfiguServer]:
    with ConfiguServer() as server:
        server.configs = {
            ("", "API_KEY"): "canary-of-the-root",
            ("prod", "API_KEY"): "canary-of-prod",
            ("prod/eu", "DB_URL"): "postgres://canary",
            ("other", "API_KEY"): "canary-of-elsewhere",
        }
        yield server


@pytest.fixture
def machine(headless: Headless, configu: ConfiguServer) -> Headless:
    headless.project("acme", more=tables(configu))
    (headless.work / "app.cfgu.json").write_text(json.dumps(SCHEMA))
    headless.make()
    headless.unlock()
    assert "takes the token, and has 2 values" in headless.done("login", "configu", said=TOKEN)
    return headless


def sync(machine: Headless, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = machine.run("sync", "--json", *arguments)
    assert "canary" not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def states(told: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["state"] for item in told["configs"]}


def test_a_token_that_is_not_taken_is_not_kept(headless: Headless, configu: ConfiguServer) -> None:
    headless.project("acme", more=tables(configu))
    (headless.work / "app.cfgu.json").write_text(json.dumps(SCHEMA))
    headless.make()
    headless.unlock()
    refused = headless.run("login", "configu", said="of-nobody")
    assert refused.returncode == 1
    assert "401: Unauthorized" in refused.stderr
    assert "of-nobody" not in refused.stderr
    status = headless.run("login", "--status")
    assert (status.returncode, "signed out" in status.stdout) == (1, True)
    assert "run: devwiz-gw login configu" in headless.run("sync").stderr


def test_first_and_next_pull(machine: Headless, configu: ConfiguServer) -> None:
    _, told = sync(machine, "--dry-run")
    assert states(told) == {
        "API_KEY": "new",
        "DB_URL": "new",
        "LEVEL": "new",
        "LD_PRELOAD": "missing",
        "PROXY": "missing",
    }
    assert "is not set" in machine.get("API_KEY")
    shown = machine.run("sync")
    assert shown.returncode == 0, shown.stderr
    assert "API_KEY  new, written" in shown.stdout
    assert "canary" not in shown.stdout + shown.stderr
    assert machine.get("API_KEY") == "canary-of-prod"
    assert machine.get("LEVEL") == "info"
    configu.configs["prod/eu", "API_KEY"] = "canary-second"
    configu.configs["", "LD_PRELOAD"] = "/tmp/evil.so"
    del configu.configs["prod/eu", "DB_URL"]
    shown = machine.run("sync")
    assert shown.returncode == 0, shown.stderr
    assert "LD_PRELOAD is kept as a secret only" in shown.stderr
    assert machine.get("API_KEY") == "canary-second"
    assert machine.get("DB_URL") == "postgres://canary", "what is gone from Configu stays"
    assert states(sync(machine, "--status")[1])["DB_URL"] == "stale"
    injected = machine.run("run", "--env", "LD_PRELOAD=secret:LD_PRELOAD", "--", "true")
    assert injected.returncode != 0
    writes = [
        (line["name"], line["outcome"])
        for line in map(json.loads, journal(machine).read_text().splitlines())
        if line["action"] == "secret.write"
    ]
    assert writes.count(("API_KEY", "begun")) == writes.count(("API_KEY", "ok")) == 2
    assert "canary" not in journal(machine).read_text()


def test_a_value_from_there_does_not_steer_a_program(
    machine: Headless, configu: ConfiguServer
) -> None:
    configu.configs["prod", "PROXY"] = "evil.example:3128"
    assert machine.run("sync").returncode == 0
    config = machine.work / "devwiz-gw.toml"
    good = config.read_text()
    named = good + '[run.env]\nHTTPS_PROXY = "http://me:{secret:PROXY}@127.0.0.1"\n'
    config.write_text(named)
    shown = ("run", "--", "sh", "-c", "echo $HTTPS_PROXY")
    refused = machine.run(*shown)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "HTTPS_PROXY decides where programs send their traffic" in refused.stderr
    assert "evil" not in refused.stdout + refused.stderr + journal(machine).read_text()
    # What a person set in its place is theirs, and so is what they say.
    machine.done("secret", "set", "PROXY", said="mine")
    assert "http://me:mine@127.0.0.1" in machine.done(*shown)
    assert machine.run("sync", "--take", "PROXY").returncode == 0
    assert machine.run(*shown).returncode == 1
    config.write_text(
        named.replace("[run.env]", '[run]\nallow_dangerous = ["HTTPS_PROXY"]\n[run.env]')
    )
    assert "http://me:evil.example:3128@127.0.0.1" in machine.done(*shown)


def test_a_pattern_that_takes_for_ever_holds_nothing_up(
    machine: Headless, configu: ConfiguServer
) -> None:
    slow = {"type": "String", "pattern": "^(a+)+$"}
    (machine.work / "app.cfgu.json").write_text(json.dumps({**SCHEMA, "PROXY": slow}))
    configu.configs["prod", "PROXY"] = "a" * 60 + "!"
    code, told = sync(machine)
    assert (code, states(told)["PROXY"], states(told)["API_KEY"]) == (1, "invalid", "new")
    (reason,) = (item["reason"] for item in told["configs"] if item["name"] == "PROXY")
    assert reason == "the check of PROXY took longer than 5 s"
    assert machine.get("API_KEY") == "canary-of-prod"
    assert "is not set" in machine.get("PROXY")
    machine.done("secret", "set", "PROXY", said="a" * 60 + "!")
    pushed = machine.run("sync", "--push", "PROXY")
    assert pushed.returncode == 1
    assert "the check of PROXY took longer than 5 s" in pushed.stderr
    assert "simplify its pattern" in pushed.stderr


def journal(machine: Headless) -> Path:
    return machine.home / ".local" / "state" / "devwiz-gw" / "acme" / "audit.jsonl"


def test_what_somebody_set_here_is_drift(machine: Headless, configu: ConfiguServer) -> None:
    sync(machine)
    machine.done("secret", "set", "API_KEY", said="mine")
    configu.configs["prod/eu", "API_KEY"] = "canary-theirs"
    for arguments in (["--status"], ["--dry-run"], []):
        code, told = sync(machine, *arguments)
        assert (code, states(told)["API_KEY"]) == (1, "drift"), arguments
    assert machine.get("API_KEY") == "mine"
    assert "API_KEY is in Configu now" in machine.done("sync", "--push", "API_KEY")
    assert configu.configs["prod/eu", "API_KEY"] == "mine"
    code, told = sync(machine)
    assert (code, states(told)["API_KEY"]) == (0, "same")
    machine.done("secret", "set", "API_KEY", said="another")
    code, told = sync(machine, "--take", "API_KEY")
    assert (code, states(told)["API_KEY"]) == (0, "changed")
    assert machine.get("API_KEY") == "mine"


def test_a_change_that_waits_for_approval(machine: Headless, configu: ConfiguServer) -> None:
    sync(machine)
    configu.protected.add("prod/eu")
    machine.done("secret", "set", "API_KEY", said="rotated")
    assert QUEUE in machine.done("sync", "--push", "API_KEY")
    code, told = sync(machine)
    assert (code, states(told)["API_KEY"]) == (0, "pending")
    assert machine.get("API_KEY") == "rotated"
    configu.configs["prod/eu", "API_KEY"] = "rotated"
    assert states(sync(machine)[1])["API_KEY"] == "same"


def test_a_value_that_breaks_the_schema_is_not_taken(
    machine: Headless, configu: ConfiguServer
) -> None:
    sync(machine)
    configu.configs["prod/eu", "DB_URL"] = "mysql://canary-of-another"
    code, told = sync(machine)
    assert (code, states(told)["DB_URL"]) == (1, "invalid")
    assert machine.get("DB_URL") == "postgres://canary"
    machine.done("secret", "set", "DB_URL", said="mysql://x")
    pushed = machine.run("sync", "--push", "DB_URL")
    assert pushed.returncode == 1
    assert "doesn't match the pattern" in pushed.stderr


def test_without_configu(machine: Headless, configu: ConfiguServer) -> None:
    sync(machine)
    configu.fails = 503
    failed = machine.run("sync")
    assert (failed.returncode, "503" in failed.stderr) == (1, True)
    code, told = sync(machine, "--status")
    assert code == 0
    assert "503" in told["problem"]
    assert told["age_s"] >= 0
    assert machine.get("API_KEY") == "canary-of-prod"


def test_giving_a_value_away_takes_what_reading_it_takes(
    machine: Headless, configu: ConfiguServer
) -> None:
    machine.done("secret", "set", "API_KEY", said="canary-of-mine")
    before = dict(configu.configs)
    agent = machine.run("sync", "--push", "API_KEY", env={"CLAUDECODE": "1"})
    assert agent.returncode == 1
    assert "Claude Code asks for the value of API_KEY to be written to Configu" in agent.stderr
    config = machine.work / "devwiz-gw.toml"
    config.write_text(config.read_text() + '[mfa]\ntouch = ["secret:API_*"]\n')
    touched = machine.run("sync", "--push", "API_KEY")
    assert touched.returncode == 1
    assert "no security key is enrolled" in touched.stderr
    assert configu.configs == before
