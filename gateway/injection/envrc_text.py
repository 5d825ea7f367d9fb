"""What stands in an `.envrc`, and what direnv makes of it in an environment. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

#: A loaded session: its id, then a colon and the names of its variables, separated by commas.
MARK: Final = "DEVWIZ_GW_ENVRC"
#: direnv's record of what it changed: zlib's JSON of the old and new values, in base64.
_RECORD: Final = "DIRENV_DIFF"
#: No environment is larger; whatever unpacks to more isn't direnv's.
_MOST_BYTES: Final = 8 * 1024 * 1024


def session_id(folder: Path) -> str:
    """The id of the session of a folder, the same each time: an `.envrc` stays good."""
    return hashlib.sha256(bytes(folder)).hexdigest()[:16]


def value_free(session: str, session_file: Path, command: Sequence[str]) -> str:
    """An `.envrc` without values, which loads them while the session's file is there, and which
    direnv loads again when that file comes, goes or changes.

    `command` is `devwiz-gw`, by absolute paths.
    """
    file = quoted(str(session_file))
    words = " ".join(map(quoted, command))
    return (
        "# By devwiz-gw envrc. No value is in here; a session gives them while it lasts.\n"
        f"watch_file {file}\n"
        f"if [ -e {file} ]; then\n"
        f'  eval "$({words} envrc export --session {session})"\n'
        "fi\n"
    )


def literal_head(session: str, nonce: str) -> str:
    """The first line of an `.envrc` with values, by which it is known again. The nonce also keeps
    the name of direnv's note of approval, a hash, from telling whether a guessed value is right.
    """
    return (
        f"# By devwiz-gw envrc, session {session} {nonce}: removed at its end with all changes.\n"
    )


def exports(session: str, values: Mapping[str, str]) -> str:
    """Bash that sets and exports the variables, and the mark. No value may hold a NUL."""
    marked = {**values, MARK: f"{session}:{','.join(values)}"}
    return "".join(f"export {name}={quoted(value)}\n" for name, value in marked.items())


def quoted(text: str) -> str:
    """A word of bash that stands for exactly this text, in any locale: ASCII on one line."""
    return "$'" + "".join(map(_escaped, text.encode("utf-8", "surrogateescape"))) + "'"


def _escaped(byte: int) -> str:
    char = chr(byte)
    if char in "'\\":
        return "\\" + char
    return char if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def without_loaded(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what direnv loaded from a session: the variables have the values from
    before, if any, and direnv's record, which holds all of them once more, is left out.
    """
    before, after = _record(environ.get(_RECORD, ""))
    mark = after.get(MARK) or environ.get(MARK)
    if mark is None:
        return dict(environ)
    names = {MARK, *mark.partition(":")[2].split(",")}
    kept = {
        name: value
        for name, value in environ.items()
        if name not in names and not name.startswith("DIRENV_")
    }
    return kept | {name: before[name] for name in names if name in before}


def _record(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Variables before and after; none where direnv didn't write this."""
    try:
        packed = base64.urlsafe_b64decode(text)
        record = json.loads(zlib.decompressobj().decompress(packed, _MOST_BYTES))
        return _texts(record["p"]), _texts(record["n"])
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, RecursionError):
        return {}, {}


def _texts(raw: Mapping[str, object]) -> dict[str, str]:
    return {name: value for name, value in dict(raw).items() if isinstance(value, str)}
