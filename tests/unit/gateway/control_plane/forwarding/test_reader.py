"""`gateway.control_plane.forwarding.reader`."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.audit.event import Place
from gateway.audit.files import full_files
from gateway.audit.journal import Journal, Keeping
from gateway.control_plane.forwarding.reader import Mark, Read, newest, read_after


def journal(folder: Path, *, file_bytes: int = 1 << 20) -> Journal:
    return Journal(folder / "audit.jsonl", project="acme", keeping=Keeping(file_bytes=file_bytes))


def note(kept: Journal, count: int) -> None:
    for _ in range(count):
        kept.record("x", outcome="ok")


def numbers(folder: Path, mark: Mark, most: int = 1000) -> list[int]:
    return [item.record.seq for item in read(folder, mark, most)]


def read(folder: Path, mark: Mark, most: int = 1000) -> list[Read]:
    return read_after(folder / "audit.jsonl", mark, most=most, most_bytes=1 << 20)


def test_nothing_is_read_of_no_journal(tmp_path: Path) -> None:
    assert read(tmp_path, Mark()) == []
    assert newest(tmp_path / "audit.jsonl") == 0


def test_each_line_is_read_once_over_files_that_get_full(tmp_path: Path) -> None:
    kept = journal(tmp_path, file_bytes=1000)
    mark, seen = Mark(), []
    for _ in range(20):
        note(kept, 3)
        while found := read(tmp_path, mark, 2):
            seen += [item.record.seq for item in found]
            mark = found[-1].mark
    assert seen == list(range(1, 61))
    assert len(full_files(kept.path)) > 5
    assert newest(kept.path) == 60


@pytest.mark.parametrize("stop", [1, 4, 17, 29])
def test_a_place_is_found_again_without_its_file(tmp_path: Path, stop: int) -> None:
    kept = journal(tmp_path, file_bytes=1000)
    note(kept, 30)
    mark = read(tmp_path, Mark(), stop)[-1].mark
    assert numbers(tmp_path, Mark(mark.place)) == list(range(stop + 1, 31))


def test_a_file_with_a_used_inode_is_no_file_that_was_read(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    note(kept, 5)
    mark = read(tmp_path, Mark())[2].mark
    other = Mark(Place(3, "0" * 64), mark.file, mark.offset)
    assert numbers(tmp_path, other) == [1, 2, 3, 4, 5]


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    note(kept, 2)
    whole = kept.path.read_bytes()
    kept.path.write_bytes(whole[:-10])
    assert numbers(tmp_path, Mark()) == [1]
    kept.path.write_bytes(whole)
    assert numbers(tmp_path, Mark()) == [1, 2]


def test_lines_that_were_cut_short_are_passed_over(tmp_path: Path) -> None:
    kept = journal(tmp_path, file_bytes=700)
    note(kept, 2)
    with kept.path.open("ab") as file:
        file.write(b'{"seq":3,"ti')
    note(kept, 4)
    assert numbers(tmp_path, Mark()) == [1, 2, 3, 4, 5, 6, 7]


def test_a_place_that_is_gone_means_all_that_are_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    note(journal(tmp_path), 3)
    with caplog.at_level(logging.WARNING):
        assert numbers(tmp_path, Mark(Place(9, "f" * 64))) == [1, 2, 3]
    assert "line 9 of the audit journal is gone" in caplog.text
