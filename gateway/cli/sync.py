"""`devwiz-gw sync`: the project's secrets as Configu has them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.login_scope import LoginScope, opened
from gateway.cli.parsers import UsageError, seconds
from gateway.cli.sync_view import document, lines, summary
from gateway.cli.touch import Action
from gateway.cli.touch_policy import demand_touch

if TYPE_CHECKING:
    from gateway.configu.sync import ConfiguSync, Report

_DEFAULT_S: Final = 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `sync`; without one of them values are taken in."""
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--dry-run", action="store_true", help="ask Configu and show the difference, write nothing"
    )
    ways.add_argument(
        "--status",
        action="store_true",
        help="show what the store has against what was taken in last, without asking Configu",
    )
    ways.add_argument(
        "--watch",
        metavar="SECONDS",
        type=seconds,
        nargs="?",
        const=_DEFAULT_S,
        help="go on, and show what changes, until interrupted (default: interval_s)",
    )
    ways.add_argument(
        "--push", metavar="NAME", help="write the store's value of one secret to Configu"
    )
    ways.add_argument(
        "--forget",
        action="store_true",
        help="forget what was taken in; values stay in the store",
    )
    parser.add_argument(
        "--take",
        metavar="NAME",
        action="append",
        default=[],
        help="take Configu's value although the store has one of somebody's; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.take and (args.status or args.push or args.forget):
        raise UsageError("--take goes with taking values in", hint="leave one of the two out")
    with opened(args, "configu") as scope:
        configu = scope.configu()
        if args.push:
            _approve_push(scope, args.push)
        if args.watch is not None:
            every_s = args.watch or configu.interval_s
            with contextlib.suppress(KeyboardInterrupt):  # this is how watching ends
                return asyncio.run(_watch(scope, args, every_s))
            return ExitCode.OK
        return asyncio.run(_once(scope, args))


async def _once(scope: LoginScope, args: argparse.Namespace) -> int:
    async with scope.sync() as sync:
        if args.push:
            return await _push(scope, sync, args)
        if args.forget:
            await sync.forget()
            output.note("forgotten: what the store has counts as set by somebody from now on")
            return ExitCode.OK
        if args.status:
            report = await sync.local()
        else:
            report = await sync.pull(take=args.take, dry_run=args.dry_run)
        return await _show(scope, sync, report, args)


async def _show(
    scope: LoginScope, sync: ConfiguSync, report: Report, args: argparse.Namespace
) -> int:
    from datetime import UTC, datetime

    configu = scope.configu()
    contact, now = await sync.contact(), datetime.now(UTC)
    told = document(scope.config.project, configu, report, contact, now=now, dry_run=args.dry_run)
    if args.json:
        output.document(told)
    else:
        for text in lines(told):
            output.line(text)
        for text in summary(told):
            output.note(text)
    return ExitCode.OK if told["good"] else ExitCode.FAILED


def _approve_push(scope: LoginScope, name: str) -> None:
    """A value leaves the store for a server that the configuration names: it takes what reading it
    takes.
    """
    action = Action(command="sync", names=(name,))
    demand_touch(scope.snapshot, action, what=f"the value of {name} to be written to Configu")


async def _push(scope: LoginScope, sync: ConfiguSync, args: argparse.Namespace) -> int:
    from identity.secret_stores.base import SecretRef

    async with scope.store() as store:
        value = await store.get(SecretRef(scope.project, args.push))
    published = await sync.publish(args.push, value)
    if args.json:
        told = {"name": args.push, "state": published.state, "queue_url": published.queue_url}
        output.document(told)
    elif published.state == "pending":
        where = f" at {output.printable(published.queue_url)}" if published.queue_url else ""
        output.note(f"{args.push} waits for approval{where}: until then Configu has the old value")
    else:
        output.note(f"{args.push} is in Configu now")
    return ExitCode.OK


async def _watch(scope: LoginScope, args: argparse.Namespace, every_s: float) -> int:
    from identity.errors import TokenError

    shown: object = None
    async with scope.sync() as sync:
        while True:
            try:
                report = await sync.pull(take=args.take)
            except TokenError as error:
                if shown != str(error):
                    output.fault(error)
                shown = str(error)
            else:
                if report.written or shown != report.findings:
                    await _show(scope, sync, report, args)
                shown = report.findings
            args.take = []
            output.flush()
            await asyncio.sleep(every_s)
