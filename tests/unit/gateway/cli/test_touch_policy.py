"""`gateway.cli.touch_policy`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from gateway.cli import approval
from gateway.cli.approval import AgentRefused
from gateway.cli.snapshot import snapshot_of
from gateway.cli.touch import Action
from gateway.cli.touch_policy import demand_touch
from gateway.config.mfa_policy import MfaConfig
from gateway.errors import ConfigInvalid
from identity.errors import TouchDenied

CONFIG = """
project = "acme"
[secrets]
store = "folder"
folder = "secrets"
[mfa]
touch = ["sign-in", "command:identity export"]
"""
HERE = argparse.Namespace(config=None)
LOGIN = Action(command="login configu", targets=("org",))


@pytest.fixture
def project(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    (workdir / "devwiz-gw.toml").write_text(CONFIG)
    (workdir / "secrets").mkdir(mode=0o700)
    return workdir


@pytest.mark.parametrize(
    ("action", "sign_in"), [(LOGIN, True), (Action(command="identity export"), False)]
)
def test_what_the_policy_names_is_refused_without_keys(
    project: Path, action: Action, sign_in: bool
) -> None:
    with pytest.raises(TouchDenied, match="no security key is enrolled"):
        demand_touch(snapshot_of(HERE, required=False), action, sign_in=sign_in)
    journal = project / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
    assert '"outcome":"denied"' in journal.read_text()


def test_the_rest_goes_on(project: Path) -> None:
    demand_touch(snapshot_of(HERE, required=False), Action(command="run", names=("db",)))
    (project / "devwiz-gw.toml").write_text('project = "acme"\n')
    demand_touch(snapshot_of(HERE, required=False), LOGIN, sign_in=True)
    (project / "devwiz-gw.toml").unlink()
    demand_touch(snapshot_of(HERE, required=False), LOGIN, sign_in=True)


def test_an_agent_needs_a_word(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval, "_says_yes", lambda _question: False)
    monkeypatch.setenv("CLAUDECODE", "1")
    action = Action(command="rotate", names=("db",))
    demand_touch(snapshot_of(HERE, required=False), action)
    with pytest.raises(AgentRefused, match="Claude Code asks for the rotation of db"):
        demand_touch(snapshot_of(HERE, required=False), action, what="the rotation of db")
    journal = project / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
    line = json.loads(journal.read_text())
    assert (line["action"], line["name"], line["outcome"]) == ("agent.refused", "db", "denied")


def test_the_policy_of_a_project_that_is_named_elsewhere_is_unknown(project: Path) -> None:
    def asked(name: str | None) -> MfaConfig:
        return snapshot_of(argparse.Namespace(config=None, project=name), required=False).policy()

    assert asked("acme") == asked(None)
    assert asked(None).sign_in
    assert asked("other").is_unknown
    (project / "devwiz-gw.toml").unlink()
    assert asked("acme").is_unknown
    assert not asked(None).is_unknown


@pytest.mark.parametrize("policy", ["mfa = 1", '[mfa]\ntouch = ["everything"]'])
def test_a_malformed_policy_is_not_taken_for_none(project: Path, policy: str) -> None:
    (project / "devwiz-gw.toml").write_text(f'project = "acme"\n{policy}\n')
    with pytest.raises(ConfigInvalid):
        demand_touch(snapshot_of(HERE, required=False), LOGIN, sign_in=True)
