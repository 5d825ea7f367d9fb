"""A project whose store is a vault, unlocked, and security keys in software at a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from identity.secret_stores.vault.opening import make_vault
from identity.secret_stores.vault.place import find_place
from tests.e2e.run.conftest import DEADLINE_S, Project, Terminal
from tests.fakes.key_command import Drawer
from tests.fakes.vault import NOW, PASSPHRASE, passphrase_slot

VALUE = "canary-value"
CONFIG = """
project = "acme"

[secrets]
store = "vault"
folder = "vault"

[run.env]
DB = "secret:db"
KEY = "secret:key"
"""


class MfaProject(Project):
    """Commands in the project's folder, with the keys of `drawer`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.drawer = Drawer(folder / "keys.json")
        self.write("")

    def write(self, policy: str) -> None:
        """The configuration, with this at its end."""
        (self.folder / "devwiz-gw.toml").write_text(CONFIG + policy)

    @property
    def command(self) -> tuple[str, ...]:
        """What stands before a command's arguments."""
        return (sys.executable, "-m", "tests.fakes.key_command", str(self.drawer.path))

    def say(self, *arguments: str, given: str = "") -> tuple[int, str, str]:
        """Exit code, output and errors of a command without a terminal."""
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.env,
            input=given.encode(),
            capture_output=True,
            timeout=DEADLINE_S,
            start_new_session=True,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def open(self, *arguments: str) -> Terminal:
        """A command in a terminal of its own."""
        return Terminal(self, *arguments, command=self.command)

    def see(self, *arguments: str, typed: tuple[tuple[str, str], ...] = ()) -> tuple[int, str]:
        """Exit code of a command in a terminal, and all that was shown; `typed` are what is waited
        for, and typed then.
        """
        terminal = self.open(*arguments)
        for text, answer in typed:
            terminal.wait_for(text)
            terminal.type(f"{answer}\r")
        code = os.waitstatus_to_exitcode(terminal.wait())
        terminal.close()
        return code, terminal.seen

    def enrol(self, number: int = 0) -> None:
        """Enrol the only key that is plugged in."""
        for place in range(len(self.drawer.read())):
            self.drawer.change(place, plugged=place == number)
        code, shown = self.see("mfa", "add", "--label", f"key {number}")
        assert code == 0, shown

    def recovery_code(self, *arguments: str, pin: str = "") -> str:
        """Make a recovery code, and write it down; `pin` is the enrolled key's."""
        terminal = self.open("mfa", "recovery", *arguments)
        if pin:
            terminal.wait_for("PIN of the security key: ")
            terminal.type(f"{pin}\r")
        terminal.wait_for("stands in for a security key that is lost")
        terminal.wait_for("It is shown this once:\r\n\r\n    ")
        terminal.wait_for("as you have written it down: ")
        code = terminal.seen.split("once:\r\n\r\n    ")[1].split("\r\n")[0]
        terminal.type(f"{code}\r")
        assert os.waitstatus_to_exitcode(terminal.wait()) == 0, terminal.seen
        terminal.close()
        return code

    def journal(self) -> list[dict[str, Any]]:
        """The lines of the audit journal."""
        path = self.folder / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[MfaProject]:
    """The vault is there, and locked."""
    project = MfaProject(tmp_path)
    place = find_place(tmp_path / "vault", project.env)
    make_vault(place, [(passphrase_slot(), "")], now=NOW)
    yield project
    project.say("vault", "lock")


@pytest.fixture
def project(locked: MfaProject) -> MfaProject:
    """The vault is unlocked, and holds two secrets."""
    code, _, errors = locked.say("vault", "unlock", "--passphrase-fd", "0", given=PASSPHRASE)
    assert code == 0, errors
    for name in ("db", "key"):
        assert locked.say("secret", "set", name, given=VALUE)[0] == 0
    return locked
