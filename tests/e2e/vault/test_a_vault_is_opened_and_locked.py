"""From `vault init` to `vault lock`, the passphrase coming by each of the ways that there are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from tests.e2e.vault.conftest import COMMAND, DEADLINE_S, PASSPHRASE, QUICK, Headless


def test_by_a_descriptor(headless: Headless) -> None:
    assert "there is no vault" in headless.get("token")
    headless.make()
    assert "the vault is locked: unlock it" in headless.get("token")
    headless.unlock()
    headless.done("secret", "set", "token", said="value\n")
    assert headless.get("token") == "value"
    assert json.loads(headless.done("secret", "list", "--json"))["store"] == "vault"
    assert json.loads(headless.done("vault", "status", "--json"))["state"] == "unlocked"
    again = headless.run("vault", "unlock", passphrase=PASSPHRASE)
    assert (again.returncode, "unlocked already" in again.stderr) == (1, True)
    headless.done("vault", "lock")
    assert "the vault is locked: unlock it" in headless.get("token")
    assert json.loads(headless.done("vault", "status", "--json"))["state"] == "locked"
    headless.unlock()
    assert headless.get("token") == "value"


def test_an_unlocked_one_is_checked_without_its_passphrase(headless: Headless) -> None:
    headless.make()
    locked = headless.run("vault", "check")
    assert (locked.returncode, "no terminal" in locked.stderr) == (2, True)
    headless.unlock()
    headless.done("secret", "set", "token", said="value\n")
    assert "the vault is whole: secrets 1, projects 1, slots 1" in headless.done("vault", "check")
    # Whoever gives one means it to be tried.
    assert headless.run("vault", "check", passphrase="wrong").returncode == 1
    database = headless.vault / "vault.db"
    database.write_bytes(database.read_bytes()[:-100])
    damaged = headless.run("vault", "check")
    assert (damaged.returncode, "whole" in damaged.stdout) == (1, False)


def test_at_a_terminal_unseen(headless: Headless) -> None:
    making = headless.terminal("vault", "init", *QUICK)
    for prompt in ("new passphrase: ", "once more: "):
        making.until(prompt)
        making.type(PASSPHRASE)
    code = making.until(r"    ((?:[0-9A-Z]{4}-){7}[0-9A-Z]{4})")
    making.until("it down: ")
    making.type(code)
    assert making.end() == 0
    assert PASSPHRASE not in making.shown
    assert making.shown.count(code) == 1
    unlocking = headless.terminal("vault", "unlock")
    unlocking.until("passphrase of the vault: ")
    unlocking.type(PASSPHRASE)
    assert unlocking.end() == 0
    assert PASSPHRASE not in unlocking.shown
    # The process that holds the key has outlived its terminal.
    headless.done("secret", "set", "token", said="value")
    assert headless.get("token") == "value"


def test_two_passphrases_that_differ_make_no_vault(headless: Headless) -> None:
    making = headless.terminal("vault", "init", *QUICK)
    for prompt, typed in (("new passphrase: ", PASSPHRASE), ("once more: ", "another one")):
        making.until(prompt)
        making.type(typed)
    assert making.end() == 2
    assert "the two passphrases differ" in making.shown
    assert not (headless.vault / "vault.db").exists()


def test_what_is_typed_in_another_encoding_is_told_and_not_shown(headless: Headless) -> None:
    making = headless.terminal("vault", "init", *QUICK)
    making.until("new passphrase: ")
    making.type("passphras\udce9 of ada")
    assert making.end() == 2
    assert "is not UTF-8 text" in making.shown
    assert "Traceback" not in making.shown
    assert "0xe9" not in making.shown
    headless.make()
    headless.unlock()
    for typed, said in (("se\udce9cret", "is not UTF-8 text"), ("\x04", "nothing was typed")):
        setting = headless.terminal("secret", "set", "token")
        setting.until("token")
        setting.type(typed)
        assert setting.end() == 2
        assert said in setting.shown
        assert "Traceback" not in setting.shown


def test_a_recovery_code_that_was_not_written_down_makes_no_vault(headless: Headless) -> None:
    making = headless.terminal("vault", "init", *QUICK)
    for prompt, typed in (
        ("new passphrase: ", PASSPHRASE),
        ("once more: ", PASSPHRASE),
        ("it down: ", "no idea"),
    ):
        making.until(prompt)
        making.type(typed)
    assert making.end() == 1
    assert "that is not the recovery code" in making.shown
    assert not (headless.vault / "vault.db").exists()


def test_by_a_systemd_credential_in_the_foreground(headless: Headless, tmp_path: Path) -> None:
    headless.make()
    credentials = tmp_path / "credentials"
    credentials.mkdir(mode=0o700)
    (credentials / "devwiz-gw-vault").write_text(PASSPHRASE + "\n", encoding="utf-8")
    with subprocess.Popen(
        [*COMMAND, "vault", "unlock", "--foreground"],
        cwd=headless.work,
        env=headless.env | {"CREDENTIALS_DIRECTORY": str(credentials)},
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as service:
        assert service.stderr is not None
        assert "the vault is unlocked" in service.stderr.readline()
        headless.done("secret", "set", "token", said="value")
        assert headless.get("token") == "value"
        service.send_signal(signal.SIGTERM)
        assert service.wait(DEADLINE_S) == 0
        assert "the vault is locked" in service.stderr.read()
    assert "the vault is locked: unlock it" in headless.get("token")


def test_never_by_argument_or_environment(headless: Headless) -> None:
    headless.make()
    for arguments in (
        ("--passphrase", PASSPHRASE),
        (f"--passphrase={PASSPHRASE}",),
        ("-p", PASSPHRASE),
        ("--password", PASSPHRASE),
    ):
        refused = headless.run("vault", "unlock", *arguments)
        assert refused.returncode == 2
        assert "not taken from the command line" in refused.stderr
        assert PASSPHRASE not in refused.stderr
    names = ("DEVWIZ_GW_PASSPHRASE", "DEVWIZ_PASSPHRASE", "VAULT_PASSPHRASE", "PASSPHRASE")
    refused = headless.run("vault", "unlock", env=dict.fromkeys(names, PASSPHRASE))
    assert refused.returncode == 2
    assert "no terminal to ask at" in refused.stderr


def test_a_vault_that_is_not_used_locks_itself(headless: Headless) -> None:
    headless.project("acme", more="auto_lock_s = 1.0")
    headless.make()
    headless.unlock()
    deadline = time.monotonic() + DEADLINE_S
    while json.loads(headless.done("vault", "status", "--json"))["state"] == "unlocked":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "the vault is locked: unlock it" in headless.get("token")


def test_a_vault_elsewhere_is_another_one(headless: Headless, tmp_path: Path) -> None:
    headless.make()
    elsewhere = tmp_path / "elsewhere"
    headless.project("acme", more='folder = "../elsewhere"')
    headless.make()
    headless.unlock()
    headless.done("secret", "set", "token", said="value")
    assert (elsewhere / "vault.db").exists()
    headless.project("acme")
    try:
        assert "the vault is locked: unlock it" in headless.get("token")
    finally:
        headless.project("acme", more='folder = "../elsewhere"')


def test_the_descriptor_of_the_passphrase_is_not_handed_on(headless: Headless) -> None:
    headless.make()
    headless.unlock()
    pid = json.loads(headless.done("vault", "status", "--json"))["pid"]
    if os.geteuid() == 0:  # only root may look
        open_files = {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}
        assert {name.split(":")[0] for name in open_files if name.startswith("pipe")} == set()


def test_who_opens_it_is_on_record(headless: Headless) -> None:
    headless.make()
    headless.run("vault", "unlock", passphrase="wrong horse battery")
    headless.unlock()
    headless.done("vault", "lock")
    events = json.loads(headless.done("audit", "query", "--action", "vault.*", "--json"))
    assert [(event["action"], event["outcome"]) for event in events] == [
        ("vault.unlock", "begun"),
        ("vault.unlock", "failed"),
        ("vault.unlock", "begun"),
        ("vault.unlock", "ok"),
        ("vault.lock", "begun"),
        ("vault.lock", "ok"),
    ]
    assert events[1]["reason"] == "the vault was not unlocked"
    assert PASSPHRASE not in str(events)
