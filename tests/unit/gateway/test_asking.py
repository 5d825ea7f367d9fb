"""`gateway.asking`."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.asking import asker_of


def test_links_and_dots_in_a_path_are_resolved_but_not_the_files_own(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "acme").mkdir(parents=True)
    config = home / "acme" / "devwiz-gw.toml"
    config.touch()
    (home / "linked").symlink_to("acme")
    (home / "other.toml").symlink_to(config)
    env = {"HOME": str(home)}
    for same in (config, home / "linked" / config.name, home / "x" / ".." / "acme" / config.name):
        assert asker_of(same, env).file == str(config)
    assert asker_of(home / "other.toml", env).file == str(home / "other.toml")
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
