"""A backup that is put back, and a copy on another machine, are refused until a person says so."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.e2e.vault.conftest import PASSPHRASE, Headless


def test_an_older_file_is_refused_until_it_is_accepted(headless: Headless, tmp_path: Path) -> None:
    headless.make()
    headless.unlock()
    headless.done("secret", "set", "token", said="revoked")
    backup = shutil.copy(headless.vault / "vault.db", tmp_path / "backup.db")
    headless.done("secret", "set", "token", said="new")
    shutil.copy(backup, headless.vault / "vault.db")
    # Also under the nose of the process that holds the key.
    assert "older than its last state" in headless.get("token")
    headless.done("vault", "lock")
    refused = headless.run("vault", "unlock", passphrase=PASSPHRASE)
    assert refused.returncode == 1
    assert "older than its last state" in refused.stderr
    assert "check --accept" in refused.stderr
    assert "is whole" in headless.done("vault", "check", "--accept", passphrase=PASSPHRASE)
    headless.unlock()
    assert headless.get("token") == "revoked"


def test_the_process_with_the_key_is_not_deceived_by_an_older_mark(
    headless: Headless, tmp_path: Path
) -> None:
    headless.make()
    headless.unlock()
    headless.done("secret", "set", "token", said="revoked")
    headless.done("vault", "lock")
    (mark,) = headless.state.glob("*.mark")
    kept = [(path, path.read_bytes()) for path in (headless.vault / "vault.db", mark)]
    headless.unlock()
    headless.done("secret", "set", "token", said="new")
    for path, data in kept:
        path.write_bytes(data)
    assert "older than its last state" in headless.get("token")
    headless.done("vault", "check", "--accept", passphrase=PASSPHRASE)
    assert headless.get("token") == "revoked", "while the same process holds the key"


def test_a_copy_on_another_machine_is_refused_until_it_is_accepted(
    headless: Headless, tmp_path: Path
) -> None:
    headless.make()
    headless.unlock()
    headless.done("secret", "set", "token", said="value")
    (tmp_path / "second").mkdir()
    second = Headless(tmp_path / "second")
    second.vault.mkdir(mode=0o700, parents=True)
    shutil.copy(headless.vault / "vault.db", second.vault / "vault.db")
    refused = second.run("vault", "unlock", passphrase=PASSPHRASE)
    assert "mark of the vault's last state is missing" in refused.stderr
    second.done("vault", "check", "--accept", passphrase=PASSPHRASE)
    second.unlock()
    try:
        assert "belong to" in second.get("token"), "it is another configuration file as well"
        assert "move-state" in second.run("vault", "bind").stderr, "and another state folder"
        second.done("secret", "move-state")
        second.done("vault", "bind")
        assert second.get("token") == "value"
    finally:
        second.done("vault", "lock")
