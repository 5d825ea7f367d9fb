"""`gateway.asking`."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.asking import asker_of


def test_the_file_is_what_was_read_or_nobodys() -> None:
    env = {"HOME": "/home/ada"}
    assert asker_of(Path("/home/ada/acme/devwiz-gw.toml"), env).file.endswith("devwiz-gw.toml")
    assert asker_of(None, env).file == ""


def test_the_state_is_where_journals_are(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(tmp_path / "state")
    usual = asker_of(None, {"HOME": "/home/ada"})
    assert usual.state == "/home/ada/.local/state/devwiz-gw"
    named = asker_of(None, {"HOME": "/home/ada", "XDG_STATE_HOME": str(tmp_path / "linked")})
    assert named.state == str(tmp_path / "state" / "devwiz-gw")


def test_an_agent_is_known_by_its_marks() -> None:
    assert asker_of(None, {"HOME": "/home/ada", "CLAUDECODE": "1"}).is_agent
    assert not asker_of(None, {"HOME": "/home/ada"}).is_agent


def test_a_first_use_is_put_into_the_projects_journal(tmp_path: Path) -> None:
    asker_of(Path("/acme/devwiz-gw.toml"), {"HOME": str(tmp_path)}).on_bound("acme")
    (journal,) = tmp_path.rglob("acme/audit.jsonl")
    line = json.loads(journal.read_text(encoding="utf-8"))
    assert (line["action"], line["name"], line["outcome"], line["reason"]) == (
        "secret.bind",
        "/acme/devwiz-gw.toml",
        "ok",
        "first use",
    )
