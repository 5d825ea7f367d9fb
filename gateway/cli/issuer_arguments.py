"""Arguments that several commands of `devwiz-gw issuer` take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from gateway.cli.parsers import UsageError

#: Where an issuer listens unless it is told another address, and how clients find it there.
DEFAULT_LISTEN: Final = "127.0.0.1:8440"
DEFAULT_URL: Final = f"https://{DEFAULT_LISTEN}"
_SECRET_MODE: Final = 0o600


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add `--dir FOLDER`."""
    parser.add_argument(
        "--dir", type=Path, required=True, metavar="FOLDER", help="the issuer's folder"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_out(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--out FILE` and `--force`."""
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"write the {what} there (mode 0600), don't print it; a file that is there is refused",
    )
    parser.add_argument("--force", action="store_true", help="with --out: replace a file")


def check_out(args: argparse.Namespace) -> None:
    """Refuse a file that is there before anything is made that would be lost then; make the path
    absolute, because a configuration file elsewhere would take it as relative to itself.
    """
    if args.out is None:
        if args.force:
            raise UsageError("--force goes with --out")
        return
    args.out = args.out.absolute()
    if not args.force and (args.out.exists() or args.out.is_symlink()):
        raise _is_there(args.out)


def write_out(args: argparse.Namespace, what: str, secret: str, *, hint: str) -> None:
    """Write a secret to the file of `--out`. Raises `UsageError` with the `hint`."""
    from identity.atomic_file import write_atomic, write_new

    write = write_atomic if args.force else write_new
    try:
        write(args.out, f"{secret}\n".encode(), _SECRET_MODE)
    except FileExistsError:
        raise _is_there(args.out) from None
    except OSError as error:
        raise UsageError(
            f"the {what} can't be written to {args.out}: {error.strerror}", hint=hint
        ) from error


def _is_there(path: Path) -> UsageError:
    return UsageError(
        f"{path} is there already, and may be somebody's key",
        hint="choose another --out, or replace it with --force",
    )
