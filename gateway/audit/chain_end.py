"""Where a chain of lines stands, read from the end of its files."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.audit.event import CHECKPOINT, FIRST, Place, digest, fields_of, seq_of
from gateway.audit.files import first_of, full_files, lines_back


@dataclass(frozen=True, slots=True)
class End:
    """Where the chain stands.

    Attributes:
        place: what the next line follows.
        whole: whether the file ends as a line should.
        signed: whether the last line is a checkpoint.
        behind: where lines at the end were cut short, the hash of the one before them: it is in
            none of them, so that the next line has to tell it.
    """

    place: Place
    whole: bool = True
    signed: bool = False
    behind: str = ""


def end_of_chain(fd: int, current: Path) -> End:
    """The end of the file that is written, or of the last full one where it has no line yet."""
    end = end_of(fd)
    if end.place.seq or not (full := full_files(current)):
        return end
    before = end_of_file(full[-1])
    if end.place.head == FIRST:
        return replace(before, whole=True)
    place = Place(before.place.seq, end.place.head)
    return replace(end, place=place, behind=before.behind or before.place.head)


def end_of_file(path: Path) -> End:
    """Where the chain stands at the end of a full file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = end_of(fd)
    finally:
        os.close(fd)
    return end if end.place.seq else replace(end, place=Place(first_of(path), end.place.head))


def end_of(fd: int) -> End:
    """Where the chain stands at the end of an open file; nowhere, if that is empty."""
    size = os.fstat(fd).st_size
    if not size:
        return End(Place())
    lines = lines_back(fd, size)
    rest = next(lines)
    last = rest or next(lines)
    told = fields_of(last)
    if seq := seq_of(last):
        signed = told is not None and told.get("action") == CHECKPOINT
        return End(Place(seq, digest(last)), whole=not rest, signed=signed)
    # Behind broken lines, of which a full disk can leave several, the last number counts on.
    whole = next((line for line in lines if seq_of(line)), None)
    behind = FIRST if whole is None else digest(whole)
    seq = 0 if whole is None else seq_of(whole)
    return End(Place(seq, digest(last)), whole=not rest, behind=behind)
