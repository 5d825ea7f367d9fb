"""Guessing at the command line is slow, whatever is wrong sounds the same, and nothing is lost."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from tests.e2e.vault.conftest import PASSPHRASE, Headless


def test_after_three_wrong_ones_the_next_has_to_wait(headless: Headless) -> None:
    headless.make()
    said = [headless.run("vault", "unlock", passphrase=f"wrong {n} horse") for n in range(4)]
    assert [result.returncode for result in said] == [1] * 4
    assert len({result.stderr for result in said[:3]}) == 1
    assert "the vault was not unlocked" in said[0].stderr
    assert "was it mistyped?" in said[0].stderr
    assert "too many attempts to unlock failed: try again in" in said[3].stderr
    # The right one, too: or a guess would be told by its haste.
    assert "too many attempts" in headless.run("vault", "unlock", passphrase=PASSPHRASE).stderr
    (headless.state / "attempts").write_text(json.dumps({"failures": 3, "last": 0}))
    headless.unlock()
    assert json.loads((headless.state / "attempts").read_text())["failures"] == 0


def test_a_wrong_passphrase_sounds_like_a_spoilt_or_missing_slot(headless: Headless) -> None:
    headless.make()
    wrong = headless.run("vault", "unlock", passphrase="wrong horse battery").stderr
    database = headless.vault / "vault.db"
    whole = database.read_bytes()
    for statement in (
        "UPDATE slots SET params = json_set(params, '$.memory_kib', 67108864)",
        "UPDATE slots SET params = json_set(params, '$.passes', 4294967295)",
        "UPDATE slots SET params = json_set(params, '$.memory_kib', 8)",
        "UPDATE slots SET wrapped = zeroblob(60)",
        "DELETE FROM slots",
    ):
        (headless.state / "attempts").unlink()
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(statement)
            connection.commit()
        assert headless.run("vault", "unlock", passphrase=PASSPHRASE).stderr == wrong
        database.write_bytes(whole)
    (headless.state / "attempts").unlink()
    headless.unlock()


def test_a_spoilt_file_is_named_and_kept(headless: Headless) -> None:
    headless.make()
    database = headless.vault / "vault.db"
    database.write_bytes(spoilt := database.read_bytes()[:6000])
    for arguments in (("unlock",), ("check",), ("slots", "remove", "1"), ("passwd",)):
        result = headless.run("vault", *arguments, passphrase=PASSPHRASE)
        assert result.returncode == 1
        assert "is damaged" in result.stderr
        assert "backup" in result.stderr
    assert "already" in headless.run("vault", "init", passphrase=PASSPHRASE).stderr
    assert database.read_bytes() == spoilt
