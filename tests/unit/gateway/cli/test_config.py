"""`gateway.cli.config`: what a good file is said to allow, by names only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.main import main

_CONFIG = """
project = "acme"
[identity]
source = "issuer"
spiffe_id = "spiffe://acme.example/planner"
[identity.issuer]
url = "https://127.0.0.1:8440"
ca_pin = "sha256:%s"
token_file = "join-token"
[[routes]]
name = "planner"
listen = "127.0.0.1:8701"
upstream = "https://planner.example.com:8443"
[run]
secrets = ["on-demand"]
allow_dangerous = ["OPENAI_BASE_URL"]
[run.env]
API_KEY = "secret:openai"
DB_URL = "postgres://u:{secret:db}@h"
[rotate.openai]
provider = "prompt"
secret = "openai"
""" % ("a" * 64)


@pytest.fixture
def config(workdir: Path) -> Path:
    file = workdir / "devwiz-gw.toml"
    file.write_text(_CONFIG)
    (workdir / "join-token").touch(0o600)
    return file


def test_what_programs_and_rotations_get_is_listed(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check"]) == 0
    text = capsys.readouterr().out
    facts = dict(line.strip().split("  ", 1) for line in text.splitlines() if line[:2] == "  ")
    told = {label: value.strip() for label, value in facts.items()}
    assert told["run gives"] == "API_KEY, DB_URL"
    assert told["on demand"] == "on-demand"
    assert told["dangerous"] == "OPENAI_BASE_URL"
    assert told["rotate openai"] == "the secret openai, by prompt"
    assert "postgres" not in text


def test_a_peer_of_a_foreign_trust_domain_is_warned_of(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().err == ""
    peer = 'peer = ["spiffe://other.example/planner"]\n[run]\n'
    config.write_text(_CONFIG.replace("[run]\n", peer))
    assert main(["config", "check"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("warning: routes.planner.peer: spiffe://other.example/planner is of")
    assert "hint: name that domain's authorities" in said
    assert main(["config", "check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert [item["key"] for item in document["warnings"]] == ["routes.planner.peer"]


def test_programs_are_told_the_same(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["problems"]) == (True, [])
    assert told["run"] == {
        "env": {"API_KEY": ["openai"], "DB_URL": ["db"]},
        "secrets": ["on-demand"],
        "allow_dangerous": ["OPENAI_BASE_URL"],
    }
    assert told["rotate"] == [{"name": "openai", "secret": "openai", "provider": "prompt"}]


def test_what_is_wrong_in_them_is_told_at_its_key(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(
        _CONFIG.replace("allow_dangerous = ", "allow = ")
        .replace('"secret:openai"', '"{secret:openai"')
        .replace('"prompt"', '"guess"')
    )
    assert main(["config", "check", "--json"]) == 1
    keys = {problem["key"] for problem in json.loads(capsys.readouterr().out)["problems"]}
    assert {"run.allow", "run.env.API_KEY", "rotate.openai.provider"} <= keys
