"""How systemd reads values in unit files, and how a text is written so that it reads that. Pure.

systemd.syntax(7) has the quoting, systemd.unit(5) the specifiers (`%`), systemd.service(5) the
variables in command lines (`$`). What can't be written safely everywhere is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.errors import GatewayError

_PLAIN: Final = re.compile(r"[A-Za-z0-9_/.:=@,+%$-]+", re.ASCII)


class NotWritable(GatewayError):
    """A text that a unit file can't hold."""


def raw(text: str) -> str:
    """A value that is not split into words, such as that of `ListenStream=`."""
    _check(text)
    if text != text.strip() or text.endswith("\\"):
        raise NotWritable(
            f"{text!r} can't stand in a unit file: it begins or ends in a space, or ends in a "
            "backslash",
            hint="choose another name for the file or folder",
        )
    return text.replace("%", "%%")


def words(texts: Iterable[str]) -> str:
    """A list of words, such as that of `ReadWritePaths=`."""
    return " ".join(_word(text.replace("%", "%%")) for text in texts)


def command(program: str, *arguments: str) -> str:
    """A command line. Variables are put into arguments, but not into the program's own path."""
    return words((program, *(text.replace("$", "$$") for text in arguments)))


def assignments(values: Mapping[str, str]) -> str:
    """Those of `Environment=`."""
    return words(f"{name}={value}" for name, value in values.items())


def _word(text: str) -> str:
    _check(text)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _check(text: str) -> None:
    if not text.isprintable():
        raise NotWritable(
            f"{text!r} can't stand in a unit file: it has a character that isn't printable",
            hint="choose another name for the file or folder",
        )
