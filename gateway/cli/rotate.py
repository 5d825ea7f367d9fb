"""`devwiz-gw rotate`: a new value for a secret, step by step, and the old one revoked."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import UsageError
from gateway.cli.touch import Action
from gateway.cli.touch_policy import demand_touch
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.cli.login_scope import LoginScope
    from gateway.rotation.desk import Desk
    from gateway.rotation.record import Rotation
    from identity.secret_stores.base import Secret


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `rotate`."""
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="the table [rotate.NAME], or the secret's name; without it all are listed",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--plan", action="store_true", help="change nothing: show the steps, and who has the value"
    )
    what.add_argument(
        "--resume", action="store_true", help="go on with one that was interrupted, or that waits"
    )
    what.add_argument(
        "--rollback", action="store_true", help="put the old value back, and end the new key"
    )
    parser.add_argument(
        "--old-key", metavar="ID", default="", help="the provider's id of the key in use now"
    )
    parser.add_argument(
        "--from-fd",
        type=int,
        metavar="N",
        help='with provider = "prompt": read the new value from this file descriptor',
    )
    parser.add_argument(
        "--new-value",
        action="store_true",
        help='with --resume and provider = "prompt": give another new value than the one given '
        "first, as long as that is not published",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from gateway.cli.login_scope import opened

    _refuse_what_does_not_go_together(args)
    with opened(args, "rotate", "configu") as scope:
        return asyncio.run(_work(args, scope))


def _refuse_what_does_not_go_together(args: argparse.Namespace) -> None:
    begins = not (args.plan or args.resume or args.rollback)
    options = (args.plan, args.resume, args.rollback, args.old_key, args.new_value)
    if args.name is None and (any(options) or args.from_fd is not None):
        raise UsageError("name what is to be rotated", hint="devwiz-gw rotate lists what can be")
    if args.old_key and not begins:
        raise UsageError(
            "--old-key goes with the start of a rotation",
            hint="one that is under way knows its old key; --rollback ends it",
        )
    if args.new_value and not args.resume:
        raise UsageError("--new-value goes with --resume", hint="a new rotation asks for one")
    if args.from_fd is not None and (args.plan or args.rollback):
        raise UsageError("--from-fd goes with a new value", hint="leave it out")


async def _work(args: argparse.Namespace, scope: LoginScope) -> int:
    from gateway.rotation.desk import Desk

    async with scope.store() as store:
        desk = Desk(
            config=scope.config,
            store=store,
            journal=scope.journal,
            env=scope.env,
            tell=lambda secret: _tell_gateway(args, secret),
        )
        if args.name is None:
            return await _list(args, desk)
        if args.plan:
            return await _plan(args, desk)
        return await _rotate(args, scope, desk)


async def _list(args: argparse.Namespace, desk: Desk) -> int:
    from gateway.cli.rotate_view import table_lines
    from gateway.rotation.desk import look_at_all
    from gateway.rotation.views import document

    await look_at_all(desk)
    now = datetime.now(UTC)
    told = [document(view, now) for view in await asyncio.to_thread(desk.views)]
    if args.json:
        output.document({"project": desk.config.project, "rotations": told})
    elif not told:
        output.note("nothing is set up to be rotated: there is no [rotate.NAME]")
    else:
        for line in table_lines(told, now=now):
            output.line(line)
    return ExitCode.OK


async def _plan(args: argparse.Namespace, desk: Desk) -> int:
    from gateway.cli.rotate_view import plan_lines

    told = await desk.plan(args.name)
    if args.json:
        output.document(told)
        return ExitCode.OK
    for line in plan_lines(told, now=datetime.now(UTC)):
        output.line(line)
    return ExitCode.OK


async def _rotate(args: argparse.Namespace, scope: LoginScope, desk: Desk) -> int:
    wanted = desk.wanted(args.name)
    if wanted.provider != "prompt" and (args.new_value or args.from_fd is not None):
        raise UsageError(
            f"no value is given for {args.name}: it comes from {wanted.provider}",
            hint="leave --new-value and --from-fd out",
        )
    secrets = (wanted.secret,) if wanted.secret else ()
    action = Action(command="rotate", names=secrets, targets=(args.name,))
    await asyncio.to_thread(
        demand_touch, scope.snapshot, action, what=f"the rotation of {args.name}"
    )
    if wanted.secret:
        scope.refuse_read_only()
    if args.rollback:
        rotation = await desk.roll_back(args.name)
    elif args.resume:
        typed = _typed(args) if await _wants_value(args, desk, wanted.name) else None
        rotation = await desk.resume(args.name, typed=typed)
    else:
        typed = _typed(args) if wanted.provider == "prompt" else None
        rotation = await desk.start(args.name, typed=typed, old_key=args.old_key)
    return _show(args, rotation)


async def _wants_value(args: argparse.Namespace, desk: Desk, name: str) -> bool:
    """Whether a person has to give a value: the typed one was lost before it was kept, or another
    is to take its place, which is refused before it is typed where it can't.
    """
    from gateway.rotation.book import Book
    from gateway.rotation.engine import refuse_too_late

    if desk.wanted(name).provider != "prompt":
        return False
    last = await asyncio.to_thread(Book(desk.state).read, name)
    if last is None or last.is_over:
        return False  # there is nothing to go on with, which is told
    if args.new_value or args.from_fd is not None:
        refuse_too_late(last)
        return True
    return last.phase in ("planned", "created")


def _typed(args: argparse.Namespace) -> Secret:
    from gateway.cli.typed import read_secret
    from identity.secret_stores.base import check_value

    value = read_secret(f"new value of {args.name}: ", from_fd=args.from_fd)
    check_value(value)
    return value


def _show(args: argparse.Namespace, rotation: Rotation) -> int:
    from gateway.rotation.views import rotation_document

    told: dict[str, Any] = {"name": rotation.name, **rotation_document(rotation)}
    if args.json:
        output.document(told)
    else:
        from gateway.cli.rotate_view import outcome_lines

        for line in outcome_lines(told, now=datetime.now(UTC)):
            output.note(line)
    return ExitCode.FAILED if rotation.error else ExitCode.OK


async def _tell_gateway(args: argparse.Namespace, secret: str) -> None:
    """Let a gateway that runs read its secrets again; one that doesn't reads them at its start,
    and one that can't be asked reads them within 30 s.
    """
    from gateway.cli.admin_client import client_for

    del secret
    with contextlib.suppress(GatewayError):
        await asyncio.to_thread(client_for(args.config).post, "/secrets/refresh")
