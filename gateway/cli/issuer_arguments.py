"""Arguments that several commands of `devwiz-gw issuer` take."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add `--dir FOLDER`."""
    parser.add_argument(
        "--dir", type=Path, required=True, metavar="FOLDER", help="the issuer's folder"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
