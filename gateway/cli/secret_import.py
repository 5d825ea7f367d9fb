"""`devwiz-gw secret import`: take over what a file of another program holds, then get rid of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from gateway.cli import output
from gateway.cli.agent_changes import approve_change
from gateway.cli.exit_codes import ExitCode
from gateway.cli.import_formats import FORMATS, read_secrets
from gateway.cli.parsers import Commands, UsageError
from gateway.cli.sealing import keep
from gateway.cli.secret_scope import Scope, opened
from gateway.config.references import LOCAL_PREFIX
from identity.errors import InvalidSecretName, InvalidSecretValue, StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef, check_value, given_ref

_MAX_BYTES: Final = 4 * 1024 * 1024


def add_import(commands: Commands) -> None:
    """Add the command."""
    importing = commands.add(
        "import",
        summary="keep what a .env file or an export of 1Password, Doppler or Infisical holds",
        examples=(
            "devwiz-gw secret import .env",
            "devwiz-gw secret import .env --only API_KEY,DB_URL --shred",
            "op item get planner --format json | devwiz-gw secret import -",
            "doppler secrets download --no-file --format json | devwiz-gw secret import -",
        ),
        run=_import,
    )
    importing.add_argument("file", metavar="FILE", help="the file, or - for standard input")
    importing.add_argument(
        "--format",
        choices=("auto", *FORMATS),
        default="auto",
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)} (default: told by what the file looks like)",
    )
    importing.add_argument("--only", metavar="A,B", help="these names, and no others")
    _add_ways(importing)


def _add_ways(importing: argparse.ArgumentParser) -> None:
    importing.add_argument(
        "--replace", action="store_true", help="replace secrets that are kept already"
    )
    importing.add_argument(
        "--dry-run", action="store_true", help="only show the names that would be set"
    )
    rest = importing.add_mutually_exclusive_group()
    rest.add_argument("--shred", action="store_true", help="shred the file afterwards, unasked")
    rest.add_argument("--keep", action="store_true", help="keep the file, unasked")
    importing.add_argument("--project", help="whose secrets (default: the configuration's project)")


def _import(args: argparse.Namespace) -> int:
    found = read_secrets(_read(args.file), args.format)
    wanted = _chosen(found, args.only)
    with opened(args) as scope:
        values = _checked(scope.project, wanted)
        _refuse_kept(scope, values, replace=args.replace)
        if args.dry_run:
            for ref in values:
                output.line(ref.name)
            return ExitCode.OK
        names = [ref.name for ref in values]
        agent = approve_change(scope, names, command="secret import", action="secret.write")
        why = f"import for {agent}" if agent else "import"
        for ref, value in values.items():
            _keep(scope, ref, value, why=why)
    are_set = "1 secret" if len(values) == 1 else f"{len(values)} secrets"
    output.note(f"{are_set} of project {scope.project} {'is' if len(values) == 1 else 'are'} set")
    if args.file != "-":
        left = {name for name, value in found.items() if value.reveal()} - set(wanted)
        _finish_with(Path(args.file), args, has_more=bool(left))
    return ExitCode.OK


def _read(name: str) -> str:
    try:
        with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{name} can't be read: {(error.strerror or str(error)).lower()}",
            hint="name the file, or - for standard input",
        ) from error
    if len(data) > _MAX_BYTES:
        raise InvalidSecretValue(f"{name} is larger than 4 MiB", hint="is it the file meant?")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidSecretValue(
            f"{name} is not UTF-8 text", hint="binary values are kept encoded, say as base64"
        ) from None


def _chosen(found: dict[str, Secret], only: str | None) -> dict[str, Secret]:
    """What is to be set: an empty value is none."""
    if only is None:
        empty = [name for name, value in found.items() if not value.reveal()]
        if empty:
            output.note(f"left out, for they are empty: {', '.join(empty)}")
        return {name: value for name, value in found.items() if name not in empty}
    names = [name for name in only.split(",") if name]
    if missing := [name for name in names if name not in found]:
        raise UsageError(
            f"the file has no {', '.join(missing)}", hint=f"it has: {', '.join(found)}"
        )
    return {name: found[name] for name in names}


def _checked(project: str, values: dict[str, Secret]) -> dict[SecretRef, Secret]:
    """All of it, or nothing: every name and value must be one that the store takes."""
    checked = {}
    for name, value in values.items():
        try:
            ref = _ref(project, name)
            check_value(value)
        except (InvalidSecretName, InvalidSecretValue) as error:
            raise type(error)(f"{name}: {error}; nothing was set", hint=error.hint) from None
        checked[ref] = value
    if not checked:
        raise UsageError("there is nothing to set", hint="every value in the file is empty")
    return checked


def _ref(project: str, name: str) -> SecretRef:
    if name.lower().startswith(LOCAL_PREFIX):
        # Who wrote the file would know it: `.env` files come with other people's repositories.
        raise InvalidSecretName(
            "a token that lets clients in is not taken from a file",
            hint="leave it out with --only, and make one: devwiz-gw client print --token NAME",
        )
    return given_ref(project, name)


def _refuse_kept(scope: Scope, values: dict[SecretRef, Secret], *, replace: bool) -> None:
    kept = set(scope.store.names(scope.project))
    both = [ref.name for ref in values if ref.name in kept]
    if both and not replace:
        raise UsageError(
            f"kept already: {', '.join(both)}; nothing was set",
            hint="pass --replace, or choose others with --only",
        )


def _keep(scope: Scope, ref: SecretRef, value: Secret, *, why: str) -> None:
    with scope.journal.around("secret.write", name=ref.name, reason=why):
        if keep(scope, ref, value, seal=False):
            return  # what was sealed stays so, and can't be looked at
        # The file may be gone in a moment: what was kept is looked at before that.
        if scope.store.get(ref).reveal() != value.reveal():
            raise StoreUnavailable(
                f"the store gives back something else for {ref}",
                hint="the file is kept; look at the store",
            )


def _finish_with(path: Path, args: argparse.Namespace, *, has_more: bool) -> None:
    from gateway.cli.shred import LIMITS, shred

    if args.keep:
        return
    if not args.shred and not _agrees(path, has_more=has_more):
        output.note(
            f"{path} still holds the values: shred it, or run this again with --replace --shred"
        )
        return
    try:
        shred(path)
    except OSError as error:
        raise UsageError(
            f"{path} can't be shredded: {(error.strerror or str(error)).lower()}",
            hint="the secrets are kept; remove the file yourself",
        ) from error
    output.note(f"{path} is overwritten and removed; {LIMITS}")


def _agrees(path: Path, *, has_more: bool) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    more = " with all that it holds, also what was not imported" if has_more else ""
    output.note(f"shred {path}{more}? [y/N]")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
