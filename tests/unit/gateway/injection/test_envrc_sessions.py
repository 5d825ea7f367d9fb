"""`gateway.injection.envrc_sessions`; what ends a session is in tests/e2e/envrc."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.injection.envrc_sessions import Session, Sessions, remove_known, write_fresh

HEAD = "# session id nonce\n"


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path / "sessions")


def a_session(folder: Path) -> Session:
    return Session(
        id="id", folder=str(folder), config="/c", project="acme", only=("A",), until=9.0, head=HEAD
    )


def test_a_session_lasts_as_long_as_its_lock(sessions: Sessions, tmp_path: Path) -> None:
    lock = sessions.lock("id")
    assert lock is not None
    session = a_session(tmp_path)
    sessions.write(session, lock, now=5.0)
    assert sessions.lock("id") is None
    assert sessions.all() == [session]
    assert sessions.sweep() == []
    lock.close()
    assert sessions.all() == []
    assert sessions.sweep() == [session]
    assert sessions.sweep() == []


def test_each_session_has_a_time_of_its_own(sessions: Sessions, tmp_path: Path) -> None:
    for now, expected in ((5.9, 5), (5.9, 6), (5.9, 7), (9.0, 9), (3.0, 10)):
        lock = sessions.lock("id")
        assert lock is not None
        assert sessions.write(a_session(tmp_path), lock, now=now) == expected
        assert sessions.file("id").stat().st_mtime == expected
        lock.take()
        lock.close()


def test_the_end_removes_what_was_made(sessions: Sessions, tmp_path: Path) -> None:
    (approval := tmp_path / "approval").touch()
    session = replace(a_session(tmp_path), approval=str(approval))
    lock = sessions.lock("id")
    assert lock is not None
    stamp = sessions.write(session, lock, now=5.0)
    write_fresh(session.envrc, HEAD + "export A=1\n", stamp=stamp)
    assert session.envrc.stat().st_mode & 0o777 == 0o600
    assert session.envrc.stat().st_mtime == stamp
    with pytest.raises(FileExistsError):
        write_fresh(session.envrc, "x", stamp=1)
    assert sessions.end("id") == session
    assert not session.envrc.exists()
    assert not approval.exists()
    assert sessions.end("id") is None
    lock.close()


def test_half_a_file_is_no_session(sessions: Sessions) -> None:
    lock = sessions.lock("id")
    assert lock is not None
    for text in ("", "{", "[]", "{}", '{"only": []}', '{"only": [], "x": 1}'):
        sessions.file("id").write_text(text)
        assert Session.read(sessions.file("id")) is None
    lock.close()
    assert sessions.sweep() == []
    assert not sessions.file("id").exists()


@pytest.mark.parametrize("text", [HEAD, HEAD + "more", HEAD[:5], ""])
def test_a_known_file_is_removed(tmp_path: Path, text: str) -> None:
    (file := tmp_path / "f").write_text(text)
    assert remove_known(file, HEAD)
    assert not file.exists()
    assert not remove_known(file, HEAD)


@pytest.mark.parametrize("text", ["export A=1\n", HEAD[:5] + "other", HEAD.upper()])
def test_another_file_stays(tmp_path: Path, text: str) -> None:
    (file := tmp_path / "f").write_text(text)
    assert not remove_known(file, HEAD)
    (link := tmp_path / "link").symlink_to(file)
    assert not remove_known(link, text)
    assert file.read_text() == text
