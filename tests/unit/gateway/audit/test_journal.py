from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.checkpoint import KeySigner
from gateway.audit.event import FIRST, MAX_TEXT, Actor, Event, Place, fields_of
from gateway.audit.files import all_files, full_files, lines_of
from gateway.audit.journal import AuditFailed, Journal, Keeping
from gateway.audit.verify import Expected, Verdict, verify


def chained(path: Path) -> list[dict[str, Any]]:
    """The events of a journal whose chain holds."""
    events = []
    expected = FIRST
    for line in path.read_bytes().splitlines():
        event = json.loads(line)
        assert event["prev"] == expected
        expected = hashlib.sha256(line).hexdigest()
        events.append(event)
    return events


def make(path: Path) -> Journal:
    return Journal(path, project="acme", now=lambda: datetime(2026, 1, 2, tzinfo=UTC))


def test_an_event_is_a_private_json_line(tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.jsonl"
    make(path).record("secret.read", outcome="ok", name="planner-token", reason="route planner")
    (event,) = chained(path)
    assert event["time"] == "2026-01-02T00:00:00.000+00:00"
    assert (event["action"], event["name"], event["outcome"]) == (
        "secret.read",
        "planner-token",
        "ok",
    )
    assert event["project"] == "acme"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for name in ("a", "b", "c"):
        make(path).record("x", outcome="ok", name=name)
    assert [event["name"] for event in chained(path)] == ["a", "b", "c"]


def test_several_writers_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journals = [make(path) for _ in range(4)]

    def write(index: int) -> None:
        journals[index % 4].record("x", outcome="ok", name=str(index))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(100)))
    assert {event["name"] for event in chained(path)} == {str(index) for index in range(100)}


def test_a_line_that_was_cut_short_stays_apart_from_the_next(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    make(path).record("x", outcome="ok")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"time":"20')
    make(path).record("y", outcome="ok")
    lines = path.read_bytes().splitlines()
    assert lines[1] == b'{"time":"20'
    assert json.loads(lines[2])["prev"] == hashlib.sha256(lines[1]).hexdigest()


def test_a_change_breaks_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for name in ("a", "b"):
        make(path).record("x", outcome="denied", name=name)
    path.write_bytes(path.read_bytes().replace(b"denied", b"ok", 1))
    with pytest.raises(AssertionError):
        chained(path)


def test_the_chain_holds_whatever_the_texts_are(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    texts = ("\x00" * 100_000, "\ud800 half a character", "\N{BROOM}" * 100_000, 'a\n"b"')
    for text in texts:
        make(path).record("x", outcome="ok", name=text, reason=text)
    assert [event["name"] for event in chained(path)] == [text[:MAX_TEXT] for text in texts]
    assert [event["reason"] for event in chained(path)] == [text[:MAX_TEXT] for text in texts]


def test_what_can_not_be_written_is_an_error_with_a_hint(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(AuditFailed, match=r"audit\.jsonl") as got:
        make(blocked / "audit.jsonl").record("x", outcome="ok")
    assert "XDG_STATE_HOME" in got.value.hint


def verdict(path: Path, expected: Expected | None = None) -> Verdict:
    files = [(item.name, lines_of(item)) for item in all_files(path)]
    return verify(files, expected or Expected())


def small(path: Path, *, files: int = 0, position: int | None = None) -> Journal:
    keeping = Keeping(file_bytes=1000, files=files, position=lambda: position)
    return Journal(path, project="acme", keeping=keeping)


def test_a_line_says_who_did_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    make(path).record("x", outcome="ok")
    other = Actor(uid=7, user="eve", account="eve@example.com", pid=3, exe="/bin/x", started=9)
    make(path).record("x", outcome="denied", actor=other)
    own, foreign = chained(path)
    assert own["user"]["uid"] == os.getuid()
    assert own["client"]["pid"] == os.getpid()
    assert foreign["user"] == {"uid": 7, "name": "eve", "account": "eve@example.com"}
    assert foreign["client"] == {"pid": 3, "exe": "/bin/x", "started": 9}


def test_a_block_is_told_of_before_and_after(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = make(path)
    with journal.around("secret.write", name="a"):
        assert [event["outcome"] for event in chained(path)] == ["begun"]
    with pytest.raises(KeyError), journal.around("secret.write", name="b"):
        raise KeyError("no value in the journal")
    assert [(event["name"], event["outcome"]) for event in chained(path)] == [
        ("a", "begun"), ("a", "ok"), ("b", "begun"), ("b", "failed"),
    ]  # fmt: skip
    assert chained(path)[-1]["reason"] == "a defect of this program (KeyError)"


def test_nothing_happens_that_can_not_be_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = []
    with (
        pytest.raises(AuditFailed),
        make(tmp_path / "file" / "audit.jsonl").around("secret.write", name="a"),
    ):
        done.append(1)
    assert done == []


def test_a_full_file_is_put_aside_and_the_chain_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for number in range(20):
        small(path).record("x", outcome="ok", name=str(number))
    assert len(full_files(path)) > 2
    found = verdict(path)
    assert (found.whole, found.events, found.first, found.last.seq) == (True, 20, 1, 20)


def test_the_chain_goes_on_when_a_crash_came_right_behind_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _ in range(3):
        make(path).record("x", outcome="ok")
    path.rename(tmp_path / "audit-000000000001.jsonl")
    make(path).record("x", outcome="ok")
    assert verdict(path).whole
    assert verdict(path).last.seq == 4


def test_a_full_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for name in ("a", "b"):
        small(path).record("x", outcome="ok", name=name * 1000)
    (full,) = full_files(path)
    evidence = full.read_bytes()
    path.write_bytes(evidence)  # an older file, put back
    small(path).record("x", outcome="ok", name="c")
    assert full.read_bytes() == evidence
    assert len(full_files(path)) == 2
    assert not verdict(path).whole


def test_the_disk_has_a_new_file_s_name_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flushed = tmp_path / "audit.jsonl", list[bool]()
    flush = os.fsync

    def flushing(fd: int) -> None:
        flushed.append(stat.S_ISDIR(os.fstat(fd).st_mode))
        flush(fd)

    monkeypatch.setattr(os, "fsync", flushing)
    journal = small(path)
    journal.record("x", outcome="ok", name="a" * 1000)
    assert flushed == [False, True], "the file, then the folder with its name"
    flushed.clear()
    journal.record("x", outcome="ok", name="b")
    assert full_files(path)
    assert flushed[-2:] == [False, True]
    flushed.clear()
    journal.keep(file_bytes=1 << 20, files=0)
    journal.record("x", outcome="ok", name="c")
    assert flushed == [False], "once is enough"


def test_old_files_are_removed_and_the_rest_verifies(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = small(path, files=2)
    for _ in range(40):
        journal.record("x", outcome="ok")
    assert len(full_files(path)) == 2
    found = verdict(path)
    assert (found.whole, found.first > 10) == (True, True)
    full_files(path)[0].unlink()
    assert "no signed line tells of older ones" in verdict(path).problems[0].what


def test_the_key_s_holder_removes_what_was_signed_and_vouches_for_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    signer = KeySigner(Ed25519PrivateKey.generate())
    asked: list[int] = []
    journal = small(path)
    journal.keeping = Keeping(file_bytes=1000, files=1, too_many=lambda: asked.append(1))
    for _ in range(20):
        journal.record("x", outcome="ok")
    assert (len(full_files(path)) > 2, len(asked) > 1) == (True, True)
    signed = journal.sign(signer)
    assert signed is not None
    journal.prune(signer, verdict_place(path, 1))
    expected = Expected(keys=frozenset([signer.public_key]), reached=signed)
    assert verdict(path, expected).first == 1, "nothing behind the place that is kept"
    journal.prune(signer, signed)
    found = verdict(path, expected)
    assert (found.problems, found.first > 10, len(full_files(path))) == ([], True, 1)
    assert found.signed > signed.seq
    assert journal.has(signed)
    full_files(path)[0].unlink()
    assert not verdict(path, expected).whole


def test_sizes_and_numbers_can_change(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = small(path, position=1)
    journal.keep(file_bytes=10, files=3)
    assert (journal.keeping.file_bytes, journal.keeping.files) == (10, 3)
    assert journal.keeping.position() == 1


@pytest.mark.parametrize("size", [1 << 16, (1 << 16) - 1, (1 << 17) + 5, 1 << 18])
def test_a_line_of_any_length_is_gone_on_behind(tmp_path: Path, size: int) -> None:
    path = tmp_path / "audit.jsonl"
    make(path).record("x", outcome="ok")
    make(path).write(Event(action="x", outcome="ok", more={"told": "\N{BROOM}" * size}))
    make(path).record("x", outcome="ok")
    assert [event["seq"] for event in chained(path)] == [1, 2, 3]
    with path.open("ab") as file:
        file.write(b'{"seq":4,"told":"' + b"x" * size)
    make(path).record("x", outcome="ok")
    assert verdict(path).problems == []
    assert (verdict(path).last.seq, verdict(path).torn) == (5, 1)


def test_a_new_file_that_begins_with_a_torn_line_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _ in range(3):
        make(path).record("x", outcome="ok")
    path.rename(tmp_path / "audit-000000000001.jsonl")
    path.write_bytes(b'{"seq":4,"ti')
    make(path).record("x", outcome="ok")
    found = verdict(path)
    assert (found.problems, found.last.seq, found.torn) == ([], 5, 1)
    path.rename(tmp_path / "audit-000000000004.jsonl")
    path.write_bytes(b"\n{")
    make(path).record("x", outcome="ok")
    assert (verdict(path).problems, verdict(path).last.seq) == ([], 7)


def test_what_a_forwarder_still_needs_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for position, left in ((0, 1), (1000, 20)):
        journal = small(path, files=1, position=position)
        for _ in range(20):
            journal.record("x", outcome="ok")
        assert (verdict(path).first == 1) is (left == 1)


def test_a_writer_notices_that_another_put_the_file_aside(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    one, other = small(path), small(path)
    for _ in range(15):
        one.record("x", outcome="ok")
        other.record("x", outcome="ok")
    found = verdict(path)
    assert (found.whole, found.events) == (True, 30)


def test_a_link_in_the_journals_place_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditFailed):
        make(path).record("x", outcome="ok")
    assert not (tmp_path / "elsewhere").exists()


def test_only_what_is_new_is_signed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    signer = KeySigner(Ed25519PrivateKey.generate())
    assert make(path).sign(signer) is None
    make(path).record("x", outcome="ok")
    assert make(path).sign(signer) == verdict_place(path, 1)
    assert make(path).sign(signer) is None
    found = verdict(path, Expected(keys=frozenset([signer.public_key])))
    assert (found.whole, found.signed) == (True, 1)


def verdict_place(path: Path, number: int) -> Place:
    line = list(lines_of(path))[number - 1]
    return Place(number, hashlib.sha256(line).hexdigest())


KILLED = """
import sys
from pathlib import Path
from gateway.audit.journal import Journal, Keeping
journal = Journal(Path(sys.argv[1]), project="acme", keeping=Keeping(file_bytes=2000))
for number in range(100_000):
    journal.record("x", outcome="ok", name=str(number))
    print(number, flush=True)
"""


def test_what_was_recorded_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    told = -1
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for line in writer.stdout:
                told = int(line)
                if told == 23:
                    writer.kill()
    found = verdict(path)
    assert found.whole
    names = [
        fields["name"]
        for item in all_files(path)
        for line in lines_of(item)
        if (fields := fields_of(line))
    ]
    assert names.count("23") == 5
    assert told >= 23


def test_writing_waits_for_nobody_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.audit.journal._LOCK_TIMEOUT_S", 0.05)
    with (tmp_path / "audit.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(AuditFailed, match="held it for too long"):
            make(tmp_path / "audit.jsonl").record("x", outcome="ok")


def test_an_event_may_bring_fields_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    make(path).write(Event(action="x", outcome="ok", more={"told": {"a": 1}}))
    assert chained(path)[0]["told"] == {"a": 1}


def test_many_threads_share_writes_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who returns has its line on the disk; who comes during a write waits for the next, with all
    others that came.
    """
    path = tmp_path / "audit.jsonl"
    journal = Journal(path, project="acme")
    entered, go_on = threading.Event(), threading.Event()
    synced: list[bytes] = []
    real = os.fsync

    def slow(fd: int) -> None:
        known = path.read_bytes()
        entered.set()
        assert go_on.wait(20)
        real(fd)
        synced.append(known)

    monkeypatch.setattr(os, "fsync", slow)

    def note(name: str) -> bool:
        journal.record("x", outcome="ok", name=name)
        return any(f'"{name}"'.encode() in known for known in synced)

    with ThreadPoolExecutor(32) as pool:
        first = pool.submit(note, "first")
        assert entered.wait(20)
        others = [pool.submit(note, f"other-{number}") for number in range(31)]
        deadline = time.monotonic() + 20
        while path.read_bytes().count(b"\n") < 32:
            assert time.monotonic() < deadline
        assert not any(item.done() for item in others)
        go_on.set()
        assert all(item.result(20) for item in (first, *others))
    assert len(synced) <= 3
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 33))
