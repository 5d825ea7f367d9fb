"""Arguments that several commands of `devwiz-gw issuer` take."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta
from pathlib import Path
from typing import Final

_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add `--dir FOLDER`."""
    parser.add_argument(
        "--dir", type=Path, required=True, metavar="FOLDER", help="the issuer's folder"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def duration(text: str) -> timedelta:
    """The type of an argument like 45s, 30m, 12h or 7d."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: use 45s, 30m, 12h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
