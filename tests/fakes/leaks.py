"""Looking for values where they may not be, in every form that a program might have put them in."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

#: Shorter pieces could be there by chance.
_LEAST = 8


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """The value as it is and encoded, each form by its name."""
    raw = value.encode()
    yield "raw", raw
    yield "reversed", raw[::-1]
    yield "utf-16", value.encode("utf-16-le")
    yield "JSON", json.dumps(value)[1:-1].encode()
    yield "JSON, not ASCII", json.dumps(value, ensure_ascii=False)[1:-1].encode()
    yield "repr", repr(value)[1:-1].encode()
    yield "repr of bytes", repr(raw)[2:-1].encode()
    yield "hexadecimal", raw.hex().encode()
    yield "upper hexadecimal", raw.hex().upper().encode()
    for safe in ("", "/", "/+"):
        yield "URL", quote(value, safe=safe).encode()
    yield "form", quote_plus(value).encode()
    yield "lower URL", quote(value, safe="").lower().encode()
    for shift in range(3):
        # What stands before and behind shares its first and last characters with the value.
        standard = base64.b64encode(b"\0" * shift + raw)[shift and shift + 1 :].rstrip(b"=")[:-1]
        for alphabet in (standard, standard.translate(bytes.maketrans(b"+/", b"-_"))):
            yield f"base64 at {shift}", alphabet


class Needles:
    """Values to look for, by their names."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._wanted = [
            (name, form, needle)
            for name, value in values.items()
            for form, needle in forms(value)
            if len(needle) >= _LEAST
        ]

    def found(self, data: bytes, where: str, *, but: Collection[str] = ()) -> list[str]:
        """What is in `data`, as sentences without the value; `but` are the values that may be."""
        return [
            f"{name} ({form}) is in {where}"
            for name, form, needle in self._wanted
            if name not in but and needle in data
        ]

    def in_files(self, folder: Path, *, but: Collection[Path] = ()) -> list[str]:
        """What is in the files below a folder, names included."""
        return [
            told
            for path in _files(folder, but)
            for told in self.found(os.fsencode(path) + b"\0" + _content(path), str(path))
        ]

    def in_processes(self, *, but: Collection[int] = ()) -> list[str]:
        """What any process of this machine shows of itself to others."""
        own = {os.getpid(), *but}
        return [
            told
            for folder in Path("/proc").glob("[0-9]*")
            if int(folder.name) not in own
            for name in ("environ", "cmdline", "comm")
            for told in self.found(_content(folder / name), str(folder / name))
        ]


def _files(folder: Path, but: Collection[Path]) -> Iterable[Path]:
    for root, folders, names in os.walk(folder):
        here = Path(root)
        folders[:] = [name for name in folders if here / name not in but]
        yield from (here / name for name in names if here / name not in but)


def _content(path: Path) -> bytes:
    """All of it; nothing of what is gone, another user's, or no file."""
    try:
        if not path.is_file():
            return b""
        return path.read_bytes()
    except OSError:
        return b""
