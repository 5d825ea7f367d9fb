"""`gateway.cli.audit`."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.audit.event import Actor
from gateway.audit.journal import Journal
from gateway.cli.main import main


@pytest.fixture
def journal(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    path = workdir / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
    journal = Journal(
        path,
        project="acme",
        now=lambda: datetime(2026, 1, 2, 12, tzinfo=UTC),
        actor=lambda: Actor(uid=7, user="ada", pid=9, exe="/usr/bin/agent"),
    )
    journal.record("secret.read", outcome="ok", name="planner-token", reason="secret get")
    journal.record("route.use", outcome="denied", name="planner", reason="\x1b[31mred")
    journal.record("secret.write", outcome="ok", name="=1+1")
    return journal


def audit(*arguments: str) -> int:
    return main(["audit", *arguments])


def test_the_last_events_are_a_table(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("tail", "-n", "2") == 0
    heading, denied, written = capsys.readouterr().out.splitlines()
    assert heading.split() == ["TIME", "USER", "PROGRAM", "ACTION", "NAME", "OUTCOME", "WHY"]
    assert "agent[9]" in denied
    assert "\\x1b[31mred" in denied
    assert "secret.write" in written


def test_the_last_events_are_a_document(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit("tail", "-n", "2", "--json") == 0
    document = capsys.readouterr().out
    assert [event["name"] for event in json.loads(document)] == ["planner", "=1+1"]
    assert audit("query", "--since", "2026-01-01", "--json") == 0
    assert json.loads(capsys.readouterr().out)[1:] == json.loads(document)


def test_events_that_come_are_an_object_a_line(
    journal: Journal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def next_look(pause_s: float) -> None:
        if len(looks) == 2:
            raise KeyboardInterrupt
        looks.append(pause_s)
        journal.record("secret.read", outcome="ok", name="late")

    looks: list[float] = []
    monkeypatch.setattr("gateway.cli.audit.time.sleep", next_look)
    with suppress(KeyboardInterrupt):
        audit("tail", "-n", "1", "--follow", "--json")
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["name"] for event in events] == ["=1+1", "late", "late"]


def test_an_empty_journal_is_an_empty_document(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit("tail", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_empty_journal_says_so(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("tail") == 0
    assert audit("verify", "--no-store") == 0
    assert capsys.readouterr().out.startswith("nothing is recorded in ")


def test_a_store_that_keeps_nothing_signs_nothing(
    workdir: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "devwiz-gw.toml").write_text(
        'project = "acme"\n[secrets]\nstore = "folder"\nfolder = "."\n'
    )
    assert audit("verify") == 0
    assert 'nothing is signed: the store "folder" can\'t keep the key' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--action", "secret.*"], ["planner-token", "=1+1"]),
        (["--outcome", "denied"], ["planner"]),
        (["--user", "ada", "--name", "plan*"], ["planner-token", "planner"]),
        (["--since", "2026-01-02T12:00:01Z"], []),
        (["--until", "2026-01-02T12:00:01Z"], ["planner-token", "planner", "=1+1"]),
        (["--since", "1s"], []),
    ],
)
def test_events_are_chosen(
    journal: Journal, options: list[str], names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit("query", "--json", *options) == 0
    assert [event["name"] for event in json.loads(capsys.readouterr().out)] == names


def test_a_time_that_is_none_is_refused(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("query", "--since", "yesterday") == 2
    assert "'yesterday' is neither a time" in capsys.readouterr().err


def test_verify_tells_a_program_and_a_person(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit("verify", "--no-store", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["events"], document["signed_through"]) == (True, 3, 0)
    journal.path.write_bytes(journal.path.read_bytes().replace(b"denied", b"ok", 1))
    assert audit("verify", "--no-store") == 1
    out = capsys.readouterr().out
    assert "not whole" in out
    assert "audit.jsonl:3: it doesn't follow the line before" in out


def test_lines_are_exported_as_they_are(
    journal: Journal, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert audit("export") == 0
    assert capfdbinary.readouterr().out == journal.path.read_bytes()


def test_a_table_holds_no_formula(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("export", "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["name"] for row in rows] == ["planner-token", "planner", "'=1+1"]
    assert (rows[0]["uid"], rows[0]["user"], rows[0]["pid"], rows[0]["seq"]) == (
        "7", "ada", "9", "1",
    )  # fmt: skip


def test_another_projects_journal_is_asked_for_by_name(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit("query", "--project", "other") == 0
    assert audit("query", "--project", "../acme") == 1
    assert "project name '../acme' is not usable" in capsys.readouterr().err


def test_the_programs_own_secrets_are_out_of_reach(
    workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    for command in ("get", "rm"):
        assert main(["secret", command, "devwiz-gw.audit-key"]) == 1
        assert "are the program's own" in capsys.readouterr().err
