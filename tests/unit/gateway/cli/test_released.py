"""`gateway.cli.released`: values on their way to programs, each on record first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.journal import AuditFailed
from gateway.cli import approval
from gateway.cli.approval import AgentRefused
from gateway.cli.released import released
from gateway.cli.secret_scope import Scope
from gateway.cli.snapshot import Snapshot
from gateway.config.model import InjectedVariable
from gateway.config.run import variable
from gateway.injection.agents import agent_in
from identity.errors import InvalidSecretName, SecretNotFound, TouchDenied
from tests.fakes.kept_secrets import KeptSecrets, scope_with

VALUES = {"key": "value-of-key", "pw": "value-of-pw"}


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    while agent_in(os.environ):
        for name in list(os.environ):
            if agent_in({name: os.environ[name]}):
                monkeypatch.delenv(name)


def chosen(**texts: str) -> list[InjectedVariable]:
    return [variable(name, text, project="acme") for name, text in texts.items()]


def scene(folder: Path, **raw: Any) -> tuple[Scope, KeptSecrets]:
    store = KeptSecrets(dict(VALUES))
    return scope_with(store, folder, Snapshot(raw={"project": "acme", **raw})), store


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def test_values_and_their_lines(tmp_path: Path) -> None:
    scope, store = scene(tmp_path)
    wanted = chosen(KEY="secret:key", URL="db://{secret:pw}:{secret:key}@h", PLAIN="x")
    found = released(scope, wanted, program="npm", delivery="env")
    assert found == {
        "KEY": "value-of-key",
        "URL": "db://value-of-pw:value-of-key@h",
        "PLAIN": "x",
    }
    assert [name for name in store.read if name in VALUES] == ["key", "pw"], "each is read once"
    lines = [(line["name"], line["variable"], line["reason"]) for line in events(tmp_path)]
    assert lines == [("key", "KEY", "npm"), ("pw", "URL", "npm"), ("key", "URL", "npm")]
    assert "value-of" not in (tmp_path / "audit.jsonl").read_text()


def test_a_value_that_is_not_there(tmp_path: Path) -> None:
    scope, _ = scene(tmp_path)
    with pytest.raises(SecretNotFound):
        released(scope, chosen(KEY="secret:none"), program="npm", delivery="env")


def test_the_program_s_own_secrets_are_nobody_s_variables(tmp_path: Path) -> None:
    scope, _ = scene(tmp_path)
    mfa = InjectedVariable("KEY", ("", "devwiz-gw.mfa", ""))
    with pytest.raises(InvalidSecretName, match="the program's own"):
        released(scope, [mfa], program="npm", delivery="env")


def test_nothing_is_released_that_cant_be_put_on_record(tmp_path: Path) -> None:
    scope, _ = scene(tmp_path)
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(AuditFailed):
        released(scope, chosen(KEY="secret:key"), program="npm", delivery="env")


def test_an_agent_that_nobody_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setenv("CLAUDECODE", "1")
    monkeypatch.setattr(approval, "_says_yes", asked.append)
    scope, store = scene(tmp_path)
    with pytest.raises(AgentRefused):
        released(scope, chosen(KEY="secret:key"), program="npm", delivery="env")
    assert asked == ["Claude Code asks for KEY in npm. Give it?"]
    assert "key" not in store.read
    (line,) = events(tmp_path)
    assert (line["action"], line["outcome"], line["name"]) == ("secret.inject", "denied", "KEY")


def test_an_agent_that_a_person_allowed_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDECODE", "1")
    monkeypatch.setattr(approval, "_says_yes", lambda _question: True)
    scope, _ = scene(tmp_path)
    assert released(scope, chosen(KEY="secret:key"), program="npm", delivery="env")
    assert events(tmp_path)[0]["agent"] == "Claude Code"
    assert released(scope, [], program="npm", delivery="env") == {}


def test_a_policy_that_nobody_can_meet(tmp_path: Path) -> None:
    scope, store = scene(tmp_path, mfa={"touch": ["secret:k*"]})
    with pytest.raises(TouchDenied, match="no security key is enrolled"):
        released(scope, chosen(KEY="secret:key"), program="npm", delivery="env")
    assert "key" not in store.read
    assert released(scope, chosen(PW="secret:pw"), program="npm", delivery="env")
