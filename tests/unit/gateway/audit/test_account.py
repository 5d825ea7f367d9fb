"""`gateway.audit.account`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from gateway.audit.account import Accounts
from gateway.audit.event import Actor
from gateway.audit.journal import Journal

SUBJECT = "7d1a6f0e-0000-4000-8000-000000000003"


def test_who_is_signed_in_is_in_each_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "acme" / "audit.jsonl", project="acme")
    accounts = Accounts(journal.path)
    journal.record("x", outcome="ok")
    accounts.sign_in("supabase", SUBJECT)
    journal.record("x", outcome="ok")
    journal.record("x", outcome="ok", actor=Actor(uid=12, user="other"))
    accounts.sign_out("supabase")
    journal.record("x", outcome="ok")
    users = [json.loads(line)["user"] for line in journal.path.read_text().splitlines()]
    assert [user.get("account") for user in users] == [None, SUBJECT, None, None]


def test_one_process_sees_what_another_writes(tmp_path: Path) -> None:
    ours, theirs = (Accounts(tmp_path / "audit.jsonl") for _ in range(2))
    assert ours.current() == ""
    theirs.sign_in("one", "b")
    assert ours.current() == "b"
    theirs.sign_in("two", "a")
    assert ours.current() == "a,b"
    theirs.sign_out("none")
    theirs.sign_out("one")
    assert ours.current() == "a"
    assert stat.S_IMODE((tmp_path / "accounts.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{", '{"one": 3, "two": ""}', "\0"])
def test_what_is_not_readable_is_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "accounts.json").write_text(text)
    assert Accounts(tmp_path / "audit.jsonl").current() == ""


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"one": "somebody"}')
    (tmp_path / "accounts.json").symlink_to(tmp_path / "elsewhere")
    assert Accounts(tmp_path / "audit.jsonl").current() == ""
