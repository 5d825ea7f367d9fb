"""Reading the journal from where somebody stopped, over files that get full and are renamed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.audit.event import Place, digest, seq_of
from gateway.audit.files import all_files, first_of, lines_back, lines_of
from gateway.control_plane.forwarding.record import Record, record_of

_LOG: Final = logging.getLogger(__name__)

_FileId = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the journal was read: the last line's number and hash, and where it ends. A file is
    known by its inode, which it keeps when it is renamed; without one the line is looked for.
    """

    place: Place = field(default_factory=Place)
    file: _FileId | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """A record, and the mark behind it."""

    record: Record
    mark: Mark


class _Renamed(Exception):
    """A file is not the one that was listed any more."""


def read_after(current: Path, mark: Mark, *, most: int, most_bytes: int) -> list[Read]:
    """The next whole lines of the journal whose last file is `current`, about so many at most;
    lines that were cut short are passed over. Blocks.

    Where the marked line is nowhere any more, reading begins again with the first that is left:
    what is sent twice does less harm than what is never sent.

    Raises:
        OSError: a file can't be read.
    """
    found: list[Read] = []
    size = 0
    try:
        for item in _lines_after(_listed(current), mark):
            found.append(item)
            size += len(item.record.text)
            if len(found) >= most or size >= most_bytes:
                break
    except (_Renamed, FileNotFoundError):
        pass  # what was found is good, and the rest is found next time
    return found


def grown_to(current: Path) -> tuple[_FileId, int]:
    """What changes whenever the journal does: the last file, and its size. Blocks."""
    try:
        stat = current.stat()
    except FileNotFoundError:
        return (0, 0), 0
    return (stat.st_dev, stat.st_ino), stat.st_size


def newest(current: Path) -> int:
    """The number of the journal's last whole line; 0 without one. Blocks. Raises `OSError`."""
    for path in reversed(all_files(current)):
        with path.open("rb") as file:
            for line in lines_back(file.fileno(), file.seek(0, os.SEEK_END)):
                if seq := seq_of(line):
                    return seq
    return 0


def _listed(current: Path) -> list[tuple[Path, _FileId]]:
    """All files, the oldest first. A file that got full in the middle of the listing could be
    missing from it, so that it is good only when the next one is the same.
    """
    before: list[tuple[Path, _FileId]] = []
    while True:
        now = []
        for path in all_files(current):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            now.append((path, (stat.st_dev, stat.st_ino)))
        if now == before:
            return now
        before = now


def _lines_after(files: list[tuple[Path, _FileId]], mark: Mark) -> Iterator[Read]:
    index, offset = _found(files, mark)
    for path, file in files[index:]:
        yield from _lines(path, file, offset)
        offset = 0


def _lines(path: Path, file: _FileId, offset: int) -> Iterator[Read]:
    with path.open("rb") as opened:
        stat = os.fstat(opened.fileno())
        if (stat.st_dev, stat.st_ino) != file:
            raise _Renamed
        opened.seek(offset)
        for line in opened:
            if not line.endswith(b"\n"):
                return  # being written; in a full file, cut short
            offset += len(line)
            if (record := record_of(line[:-1])) is not None:
                yield Read(record, Mark(Place(record.seq, record.digest), file, offset))


def _found(files: list[tuple[Path, _FileId]], mark: Mark) -> tuple[int, int]:
    """The file to go on in, and the offset."""
    if mark.place.seq == 0:
        return 0, 0
    for index, (path, file) in enumerate(files):
        if file == mark.file and _ends_at(path, mark):
            return index, mark.offset
    full = [index for index, (path, _) in enumerate(files) if 0 < first_of(path) <= mark.place.seq]
    for index, (path, _) in list(enumerate(files))[max(full, default=0) :]:
        offset = 0
        for line in lines_of(path):
            offset += len(line) + 1
            if digest(line) == mark.place.head:
                return index, offset
    if files:
        _LOG.warning(
            "line %d of the audit journal is gone: all that are left are sent again",
            mark.place.seq,
            extra={"event": "audit_cursor_lost"},
        )
    return 0, 0


def _ends_at(path: Path, mark: Mark) -> bool:
    """Whether the marked line is there: the inode of a file that was removed is soon another's."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) < mark.offset:
            return False
        lines = lines_back(file.fileno(), mark.offset)
        return not next(lines) and digest(next(lines, b"")) == mark.place.head
