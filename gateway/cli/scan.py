"""`devwiz-gw scan`: find values of the project's secrets in the files of a work tree."""

from __future__ import annotations

import argparse
import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.leaks import Detector, Leak
from gateway.cli.parsers import UsageError
from gateway.cli.scan_files import Files
from gateway.cli.secret_scope import Scope, opened
from gateway.git import find_git
from identity.errors import TouchNeeded
from identity.secret_stores.base import Secret, SecretRef

_CHUNK: Final = 1024 * 1024
#: So many of the places that were left out are named.
_NAMED: Final = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `scan`."""
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="files and folders (default: this one)"
    )
    parser.add_argument(
        "--history", action="store_true", help="look into everything that git keeps, too"
    )
    parser.add_argument(
        "--all", action="store_true", help="look into what git ignores, too (.venv, node_modules)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--project", help="whose secrets (default: the configuration's project)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Scan; 0 when nothing was found, 1 when something was.

    Raises:
        Fault: the store can't be read, or a path isn't there.
    """
    paths = args.paths or [Path()]
    if missing := next((path for path in paths if not path.exists()), None):
        raise UsageError(f"{missing} is not there", hint="name files or folders")
    with opened(args) as scope:
        detector = Detector(_values(scope))
    if detector.skipped:
        output.note(f"too short to look for: {', '.join(detector.skipped)}")
    found: list[tuple[str, Leak]] = []
    files = Files(everything=args.all)
    with output.Progress("scanning") as progress:
        for name, chunks in _everything(paths, files, history=args.history):
            progress.tick(name)
            found += [(name, leak) for leak in detector.leaks_in(chunks)]
    _show(found, files.left_out, as_json=args.json)
    return ExitCode.FAILED if found else ExitCode.OK


def _values(scope: Scope) -> dict[str, Secret]:
    values = {}
    for name in scope.store.names(scope.project):
        ref = SecretRef(scope.project, name)
        try:
            with scope.journal.around("secret.read", name=name, reason="scan"):
                values[name] = scope.store.get(ref)
        except TouchNeeded:
            output.note(f"sealed, so not looked for: {name}")
    return values


def _everything(
    paths: list[Path], files: Files, *, history: bool
) -> Iterator[tuple[str, Iterator[bytes]]]:
    for path in paths:
        for file in files.below(path):
            yield str(file), _chunks_of_file(file)
        if history and path.is_dir():
            yield from _git_objects(path)


def _chunks_of_file(path: Path) -> Iterator[bytes]:
    try:
        # Never waits for the writer of a pipe.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                yield from iter(lambda: file.read(_CHUNK), b"")
    except OSError as error:
        # ENXIO is a socket's.
        if error.errno != errno.ENXIO and not path.is_symlink():
            output.note(f"{path} can't be read: {(error.strerror or '').lower()}")


def _git_objects(folder: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Every object that the repository of `folder` keeps, reachable or not."""
    git = find_git(os.environ)
    if git is None:
        raise UsageError("--history needs git", hint="install git, or leave --history out")
    with subprocess.Popen(  # noqa: S603 - git, as found in PATH
        git.command(folder, "cat-file", "--batch-all-objects", "--batch"),
        env=git.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    ) as process:
        if process.stdout is None:
            return
        while head := process.stdout.readline().decode().split():
            if head[1:] == ["missing"]:
                output.note(f"{folder}: git object {head[0]} is damaged: 'git fsck' tells more")
                continue
            object_id, kind, size = head[0], head[1], int(head[2])
            chunks = _chunks_of_object(process.stdout, size)
            yield f"{folder}: git {kind} {object_id}", chunks
            for _ in chunks:  # whatever was not looked at
                continue
    if process.returncode:
        raise UsageError(f"{folder} is in no git repository", hint="leave --history out")


def _chunks_of_object(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0:
        data = stream.read(min(_CHUNK, size))
        if not data:
            return
        size -= len(data)
        yield data
    stream.read(1)  # the newline behind it


def _show(found: list[tuple[str, Leak]], left_out: list[str], *, as_json: bool) -> None:
    if as_json:
        output.document(
            {
                "leaks": [
                    {"place": place, "line": leak.line, "name": leak.name, "form": leak.form}
                    for place, leak in found
                ],
                "left_out": left_out,
            }
        )
        return
    if left_out:
        more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
        output.note(
            f"left out, for git ignores them: {', '.join(left_out[:_NAMED])}{more}; "
            "--all looks there, too"
        )
    if not found:
        output.note("no value of the project's secrets was found")
        return
    rows = [(place, str(leak.line), leak.name, leak.form) for place, leak in found]
    for line in output.table(("PLACE", "LINE", "SECRET", "FORM"), rows):
        output.line(line)
    output.note("replace these secrets: who has read the files has them")
