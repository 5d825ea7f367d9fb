"""Slots: a recovery code stands in for a passphrase, and a removed slot opens nothing."""

from __future__ import annotations

import json

from tests.e2e.vault.conftest import PASSPHRASE, QUICK, Headless

NEW = "a new one to remember"


def add_recovery(headless: Headless) -> str:
    terminal = headless.terminal("vault", "slots", "add", "recovery")
    terminal.until("passphrase of the vault: ")
    terminal.type(PASSPHRASE)
    code = terminal.until(r"    ((?:[0-9A-Z]{4}-){7}[0-9A-Z]{4})")
    terminal.until("it down: ")
    terminal.type(code.lower())
    assert terminal.end() == 0
    return code


def test_the_recovery_code_sets_a_new_passphrase(headless: Headless) -> None:
    headless.make()
    headless.unlock()
    headless.done("secret", "set", "token", said="value")
    code = add_recovery(headless)
    terminal = headless.terminal("vault", "passwd", "--with", "recovery", *QUICK)
    terminal.until("recovery code: ")
    terminal.type(code)
    for prompt in ("new passphrase: ", "once more: "):
        terminal.until(prompt)
        terminal.type(NEW)
    assert terminal.end() == 0
    assert code not in terminal.shown
    headless.done("vault", "lock")
    refused = headless.run("vault", "unlock", passphrase=PASSPHRASE)
    assert "was not unlocked" in refused.stderr
    headless.done("vault", "unlock", passphrase=NEW)
    assert headless.get("token") == "value"
    headless.done("vault", "lock")
    headless.done("vault", "unlock", "--with", "recovery", passphrase=code)
    assert headless.get("token") == "value"


def test_slots_are_listed_and_the_last_one_stays(headless: Headless) -> None:
    headless.make()
    code = add_recovery(headless)
    slots = json.loads(headless.done("vault", "slots", "list", "--json"))["slots"]
    assert [(slot["slot"], slot["kind"]) for slot in slots] == [(1, "passphrase"), (2, "recovery")]
    headless.done("vault", "slots", "remove", "1", passphrase=PASSPHRASE)
    assert "passphrase" not in headless.done("vault", "slots", "list")
    last = headless.run("vault", "slots", "remove", "2", "--with", "recovery", passphrase=code)
    assert last.returncode == 1
    assert "the last slot is not removed" in last.stderr
    assert "was not unlocked" in headless.run("vault", "unlock", passphrase=PASSPHRASE).stderr
    headless.done("vault", "unlock", "--with", "recovery", passphrase=code)


def test_an_unlocked_vault_does_not_stand_in_for_a_slot(headless: Headless) -> None:
    headless.make()
    headless.unlock()
    for arguments in (("add", "passphrase"), ("remove", "1")):
        refused = headless.run("vault", "slots", *arguments, passphrase="wrong horse battery")
        assert "was not unlocked" in refused.stderr
