"""`devwiz-gw init`: a first configuration from a few answers, or a route more in one."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.init_after import (
    Written,
    examined_by_doctor,
    hint_at_private_files,
    keychain_problem,
    set_secrets,
    tell_clients,
)
from gateway.cli.init_identity import SOURCES, identity_plan
from gateway.cli.init_questions import Questions
from gateway.cli.init_route import KINDS, route_plan
from gateway.cli.parsers import UsageError
from gateway.clients.catalogue import CLIENTS
from gateway.clients.client_file import ClientFile
from gateway.config.find import FILE_NAME, find_config, normal_path
from gateway.config.load import SOCKET_PATH_BYTES, checked
from gateway.config.reading import Reading, read
from gateway.errors import GatewayError
from gateway.first_run.answers import Judge, is_text
from gateway.first_run.document import whole, with_route
from gateway.first_run.plan import FilePlan, IdentityPlan
from gateway.first_run.surroundings import project_name
from identity.atomic_file import create_atomic, write_atomic

if TYPE_CHECKING:
    from gateway.config.model import Config

_MODE: Final = 0o600
_STORES: Final = (
    ("vault", "a file that a passphrase or a security key opens"),
    ("keychain", "the operating system's, once it answers"),
    ("folder", "files that something else writes, as in containers"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `init`."""
    _add_file_options(parser)
    _add_identity_options(parser)
    _add_route_options(parser)
    parser.set_defaults(run=_run)


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--add", action="store_true", help="add a route to the file that there is, comments kept"
    )
    parser.add_argument("--force", action="store_true", help="replace the file that there is")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the file, or the difference; write nothing"
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="ask nothing: take the options, else the defaults (without a terminal always so)",
    )
    parser.add_argument("--no-doctor", action="store_true", help="don't try what was written")
    parser.add_argument(
        "--join",
        action="store_true",
        help="let doctor ask for a certificate even if that spends a use of a join token",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: file, route, report")
    parser.add_argument("--project", metavar="NAME", help="default: the folder's name")
    parser.add_argument(
        "--store",
        choices=("keychain", "vault", "folder", "memory"),
        help="where secrets are, if any are needed (default: keychain if it answers, else vault)",
    )
    parser.add_argument("--store-folder", metavar="DIR", help="the folder of --store folder")


def _add_identity_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        choices=[name for name, _ in SOURCES],
        help="where the certificate comes from (default: spiffe where an agent is found, else "
        "issuer)",
    )
    parser.add_argument(
        "--identity",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a key of the source's table (docs/configuration.md), or spiffe_id; can be repeated",
    )
    parser.add_argument(
        "--identity-from",
        metavar="FILE",
        type=Path,
        help="take [identity] from a file, such as the output of devwiz-gw issuer token (-: input)",
    )


def _add_route_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kind", choices=[name for name, _ in KINDS], help="what is reached (default: mcp)"
    )
    parser.add_argument("--upstream", metavar="URL", help="where it is: https://HOST:PORT")
    parser.add_argument("--route", metavar="NAME", help="default: after the upstream's host")
    parser.add_argument(
        "--listen", metavar="ADDRESS", help="its local port (default: a free one of localhost)"
    )
    parser.add_argument(
        "--peer",
        metavar="NAME",
        action="append",
        help="whom to expect there (default: the host's name); can be repeated",
    )
    parser.add_argument(
        "--trust-on-first-use",
        action="store_true",
        help="without --peer: expect whoever answers there now, unchecked",
    )
    parser.add_argument(
        "--trust-bundle", metavar="FILE", help="its authorities (default: the identity's)"
    )
    parser.add_argument(
        "--header",
        metavar="NAME=TEMPLATE",
        action="append",
        help="a header to attach, with {secret:NAME} for the value; can be repeated",
    )
    parser.add_argument(
        "--client",
        metavar="CLIENT",
        action="append",
        default=[],
        choices=[*CLIENTS],
        help="a local client to put the route into; can be repeated",
    )


def _run(args: argparse.Namespace) -> int:
    if args.add and args.force:
        raise UsageError("--add keeps the file, --force replaces it", hint="leave one out")
    questions = Questions(asks=not args.yes and sys.stdin.isatty() and sys.stderr.isatty())
    path = _path(args)
    is_there = path.is_symlink() or path.exists()
    if args.add or (is_there and not args.force and _agreed_to_add(questions, path)):
        return _add(args, questions, path)
    if is_there and not args.force:
        raise GatewayError(
            f"{path} is there already",
            hint="--add adds a route to it; --force replaces it; --config FILE names another one",
        )
    return _create(args, questions, path)


def _path(args: argparse.Namespace) -> Path:
    if args.add:
        return find_config(args.config, cwd=Path.cwd(), env=os.environ)
    path = normal_path(Path.cwd() / (args.config or FILE_NAME))
    if not is_text(str(path)):
        raise UsageError("the path of the file holds bytes that are no text")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="make it first")
    return path


def _agreed_to_add(questions: Questions, path: Path) -> bool:
    return questions.agreed(f"{path} is there already. Add a route to it?", default=True)


def _create(args: argparse.Namespace, questions: Questions, path: Path) -> int:
    judge = Judge(path, max_socket_path=SOCKET_PATH_BYTES)
    if questions.asks:
        questions.say(
            f"This writes {path} after the last question, and nothing before; Ctrl-C ends."
        )
    project = questions.text(
        "--project",
        args.project,
        "the project's name, which scopes its secrets",
        default=project_name(path.parent) or "project",
        check=judge.project,
    )
    identity = identity_plan(args, questions, judge)
    route = route_plan(args, questions, judge, {})
    draft = FilePlan(project=project, identity=identity, route=route)
    names = _secrets(_checked(path, whole(draft)), identity)
    store = _store(args, questions, project, needed=bool(names))
    plan = FilePlan(
        project=project,
        identity=identity,
        route=route,
        store=store,
        store_folder=args.store_folder or ("secrets" if store == "folder" else ""),
    )
    text = whole(plan)
    written = Written(config=_checked(path, text), plan=route)
    if args.dry_run:
        return _show(args, written, text.splitlines())
    _write(path, text, force=args.force)
    output.note(f"wrote {path}")
    hint_at_private_files(questions, path.parent, identity.private_files)
    return _finish(args, questions, written, names)


def _add(args: argparse.Namespace, questions: Questions, path: Path) -> int:
    if args.source or args.identity or args.identity_from or args.project or args.store:
        raise UsageError("a route that is added goes with the file's own project and identity")
    raw = read(path).raw
    judge = Judge(path, max_socket_path=SOCKET_PATH_BYTES, raw=raw)
    file = ClientFile.read(path)
    before = _checked(path, file.text or "")
    plan = route_plan(args, questions, judge, raw)
    text = with_route(file.text or "", plan)
    written = Written(config=_checked(path, text), plan=plan)
    if args.dry_run:
        return _show(args, written, file.difference(text))
    file.replace(text)
    output.note(f"added route {plan.name} to {path}")
    known = _secrets(before, None)
    names = [name for name in _secrets(written.config, None) if name not in known]
    return _finish(args, questions, written, names)


def _finish(
    args: argparse.Namespace, questions: Questions, written: Written, names: Sequence[str]
) -> int:
    set_secrets(questions, written, names)
    tell_clients(questions, written, args.client)
    report = None if args.no_doctor else examined_by_doctor(written, join=args.join)
    if args.json:
        found = None if report is None else report.document()
        output.document({**_facts(written), "written": True, "doctor": found})
    elif report is not None:
        from gateway.cli.doctor import show

        show(report)
    questions.say("Next: devwiz-gw serve; where it runs already, devwiz-gw reload")
    return ExitCode.OK if report is None or report.is_good else ExitCode.FAILED


def _show(args: argparse.Namespace, written: Written, lines: Sequence[str]) -> int:
    if args.json:
        output.document({**_facts(written), "written": False, "text": "\n".join([*lines, ""])})
        return ExitCode.OK
    for line in lines:
        output.line(output.printable(line))
    return ExitCode.OK


def _facts(written: Written) -> dict[str, Any]:
    return {
        "config": str(written.config.path),
        "project": written.config.project,
        "route": written.route.name,
        "listen": [str(address) for address in written.route.listen],
    }


def _store(args: argparse.Namespace, questions: Questions, project: str, *, needed: bool) -> str:
    """`[secrets] store`: never a weaker one than was asked for, and none that nobody needs."""
    if args.store:
        return str(args.store)
    if args.store_folder:
        return "folder"
    if not needed:
        return ""
    questions.say("Looking for the keychain …")
    problem = keychain_problem(project)
    if not problem:
        return "keychain"
    output.note(output.printable(f"the keychain can't be used here: {problem}"))
    if not questions.asks:
        output.note("so secrets are kept in the vault, an encrypted file; --store says otherwise")
    return questions.choice("--store", None, "Where shall secrets be?", _STORES, default="vault")


def _secrets(config: Config, identity: IdentityPlan | None) -> list[str]:
    """The secrets that a person has to set."""
    of_routes = [
        name for route in config.routes for header in route.headers for name in header.secret_names
    ]
    return list(dict.fromkeys([*of_routes, *(identity.secrets if identity else ())]))


def _checked(path: Path, text: str) -> Config:
    """The configuration that a text is, as `config check` reads it. Raises `ConfigInvalid`."""
    return checked(Reading(path=path, place=path, raw=tomllib.loads(text)))


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        (write_atomic if force else create_atomic)(path, text.encode(), _MODE)
    except FileExistsError as error:
        raise GatewayError(
            f"{path} was written by somebody else meanwhile", hint="run the command again"
        ) from error
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise GatewayError(f"can't write {path}: {why}", hint="nothing was written") from error
