"""A file of secrets is taken over as a whole or not at all, and then shredded if that is wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.vault.conftest import Headless

ENV = "API_KEY=canary-of-the-key\nDB_URL='postgres://u:canary-of-the-url@h/db'\nEMPTY=\n"


@pytest.fixture
def machine(headless: Headless) -> Headless:
    headless.make()
    headless.unlock()
    (headless.work / ".env").write_text(ENV)
    return headless


def names(machine: Headless) -> list[str]:
    listed = json.loads(machine.done("secret", "list", "--json"))["secrets"]
    return [secret["name"] for secret in listed if secret["kept"]]


def test_an_env_file_is_imported_and_shredded(machine: Headless) -> None:
    tried = machine.run("secret", "import", ".env", "--dry-run")
    assert tried.stdout.splitlines() == ["API_KEY", "DB_URL"]
    assert "left out, for they are empty: EMPTY" in tried.stderr
    assert names(machine) == []
    said = machine.done("secret", "import", ".env", "--shred")
    assert "canary" not in said
    assert "2 secrets of project acme are set" in said
    assert "older copies may be left" in said
    assert not (machine.work / ".env").exists()
    assert machine.get("API_KEY") == "canary-of-the-key"
    assert machine.get("DB_URL") == "postgres://u:canary-of-the-url@h/db"
    assert names(machine) == ["API_KEY", "DB_URL"]


def test_without_a_terminal_the_file_is_kept(machine: Headless) -> None:
    said = machine.done("secret", "import", ".env", "--only", "API_KEY")
    assert "1 secret of project acme is set" in said
    assert "still holds the values" in said
    assert (machine.work / ".env").read_text() == ENV
    assert names(machine) == ["API_KEY"]
    # What it proposes does what it says.
    assert "run this again with --replace --shred" in said
    machine.done("secret", "import", ".env", "--only", "API_KEY", "--replace", "--shred")
    assert not (machine.work / ".env").exists()


def test_at_a_terminal_it_is_offered(machine: Headless) -> None:
    for answer, is_left in (("", True), ("y", False)):
        terminal = machine.terminal("secret", "import", ".env", "--replace")
        terminal.until(r"shred \.env\? \[y/N\]")
        terminal.type(answer)
        assert terminal.end() == 0
        assert (machine.work / ".env").exists() == is_left


def test_what_is_kept_already_is_replaced_only_when_told(machine: Headless) -> None:
    machine.done("secret", "set", "DB_URL", said="mine")
    refused = machine.run("secret", "import", ".env", "--shred")
    assert refused.returncode == 2
    assert "kept already: DB_URL; nothing was set" in refused.stderr
    assert names(machine) == ["DB_URL"]
    assert (machine.work / ".env").exists()
    machine.done("secret", "import", ".env", "--replace", "--keep")
    assert machine.get("DB_URL") == "postgres://u:canary-of-the-url@h/db"


def test_a_name_or_value_that_no_store_takes_stops_all_of_it(machine: Headless) -> None:
    (machine.work / "bad.json").write_text(json.dumps({"GOOD": "v", "BAD NAME": "canary"}))
    refused = machine.run("secret", "import", "bad.json", "--shred")
    assert refused.returncode == 1
    assert "BAD NAME" in refused.stderr
    assert "canary" not in refused.stderr
    assert names(machine) == []
    assert (machine.work / "bad.json").exists()
    machine.done("secret", "import", "bad.json", "--only", "GOOD", "--keep")
    assert names(machine) == ["GOOD"]


def test_what_the_program_keeps_for_itself_is_not_replaced_by_a_file(machine: Headless) -> None:
    """Not the enrolled security keys, nor the key that signs the journal."""
    for name in ("devwiz-gw.mfa", "DEVWIZ-GW.audit-key"):
        (machine.work / "their.env").write_text(f"GOOD=v\n{name}=canary\n")
        refused = machine.run("secret", "import", "their.env", "--replace", "--shred")
        assert refused.returncode == 1
        assert "the program's own; nothing was set" in refused.stderr
    assert names(machine) == []
    assert "recovery code: none" in machine.done("mfa", "list")


def test_an_export_comes_by_standard_input(machine: Headless) -> None:
    exported = json.dumps([{"key": "API_KEY", "value": "from-infisical"}])
    machine.done("secret", "import", "-", said=exported)
    assert machine.get("API_KEY") == "from-infisical"


def test_each_value_is_on_record_and_none_is_in_it(machine: Headless, tmp_path: Path) -> None:
    machine.done("secret", "import", ".env", "--shred")
    (journal,) = tmp_path.rglob("audit.jsonl")
    text = journal.read_text()
    assert text.count('"secret.write"') == 4
    assert "canary" not in text


def test_a_file_lets_no_client_in(machine: Headless) -> None:
    """Whoever wrote the file would know the token."""
    (machine.work / ".env").write_text("API_KEY=a\nLOCAL-token.ide=known\n")
    for more in ((), ("--only", "LOCAL-token.ide")):
        refused = machine.run("secret", "import", ".env", *more)
        assert refused.returncode == 1
        assert "a token that lets clients in is not taken from a file" in refused.stderr
    assert names(machine) == []
