"""`devwiz-gw doctor`: what is wrong between a local caller and a remote agent, step by step."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli import output
from gateway.cli.client import path_argument
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import PROGRAM, UsageError, seconds
from gateway.config.find import find_config, locate_admin_socket
from gateway.errors import ConfigInvalid

if TYPE_CHECKING:
    from gateway.audit.journal import Journal
    from gateway.config.model import Config
    from gateway.doctor.case import Means
    from gateway.doctor.finding import Report
    from gateway.doctor.ladder import Doors
    from identity.secret_stores.base import SecretStore

_TICK_S: Final = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `doctor`."""
    parser.add_argument(
        "routes", metavar="ROUTE", nargs="*", help="look at these routes only (default: all)"
    )
    parser.add_argument(
        "--path",
        metavar="PATH",
        type=path_argument,
        default="/mcp",
        help="where MCP is looked for at an upstream (default: /mcp)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=5.0,
        help="give up each step after this long (default: 5)",
    )
    parser.add_argument(
        "--join",
        action="store_true",
        help="where no gateway runs, ask the source for a certificate even if that spends a use of "
        "a join token, or has a certificate made",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--bundle",
        metavar="FILE",
        type=Path,
        help="also write a .zip for a bug report: the report, the configuration, the state of the "
        "gateway and its last lines, with nothing secret in them",
    )
    parser.add_argument(
        "--mask-names",
        action="store_true",
        help="in the bundle replace names of hosts, projects, workloads and secrets too",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from identity.hardening import harden_process

    # There may be keys and tokens in its memory.
    harden_process()
    try:
        path = find_config(args.config, cwd=Path.cwd(), env=os.environ)
    except ConfigInvalid as invalid:
        from gateway.doctor.ladder import without_file

        show(without_file(invalid, os.environ, metadata.version(PROGRAM)), as_json=args.json)
        return ExitCode.FAILED
    report = examined(
        path, args.routes, deadline_s=args.timeout, join=args.join, mcp_path=args.path
    )
    show(report, as_json=args.json)
    if args.bundle is not None:
        from gateway.cli.doctor_bundle import write

        write(args.bundle, report, path, mask_names=args.mask_names)
    return ExitCode.OK if report.is_good else ExitCode.FAILED


def examined(
    path: Path,
    routes: Collection[str] = (),
    *,
    deadline_s: float = 5.0,
    join: bool = False,
    mcp_path: str = "/mcp",
) -> Report:
    """The report about the configuration file at `path`, and about its routes with these names, or
    all. What is being tried is told on a terminal.

    Raises:
        UsageError: there is no route of such a name.
    """
    from gateway.doctor.ladder import examine

    _check_names(path, routes)
    means = _means(path, deadline_s=deadline_s, join=join, mcp_path=mcp_path)
    with output.Progress("looking") as progress:
        now = {"at": ""}
        work = examine(path, routes, _doors(), means, lambda what: now.update(at=what))
        return asyncio.run(_watched(work, lambda: progress.tick(now["at"])))


async def _watched(work: Any, tick: Callable[[], None]) -> Report:
    task: asyncio.Task[Report] = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=_TICK_S)
            tick()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return task.result()


def _check_names(path: Path, names: Collection[str]) -> None:
    """Refuse a name that no route has, where the file can be read so far."""
    from gateway.config.load import load

    with suppress(ConfigInvalid):
        known = [route.name for route in load(path).routes]
        for name in names:
            if name not in known:
                hint = f"{path} has {', '.join(sorted(known))}"
                raise UsageError(f"there is no route {name!r}", hint=hint)


def show(report: Report, *, as_json: bool = False) -> None:
    """Print the report, for people or for programs."""
    if as_json:
        output.document(report.document())
        return
    from gateway.cli.doctor_view import lines

    for text in lines(report):
        output.line(text)


# What the ladder is given


def _means(path: Path, *, deadline_s: float, join: bool, mcp_path: str) -> Means:
    from gateway.control_plane.resolver import look_up
    from gateway.doctor.case import Means

    return Means(
        now=lambda: datetime.now(UTC),
        env=os.environ,
        lookup=look_up,
        local_token=lambda secret: _local_token(path, secret),
        deadline_s=deadline_s,
        join=join,
        path=mcp_path,
        version=metadata.version(PROGRAM),
    )


def _doors() -> Doors:
    from gateway.doctor.ladder import Doors

    return Doors(store=_store, journal=_journal, running=_Admin)


def _store(config: Config) -> SecretStore:
    from gateway.asking import asker_of
    from identity.secret_stores.open import open_store

    asker = asker_of(config.place, os.environ)
    return open_store(config.secrets.store, folder=config.secrets.folder, asker=asker)


def _journal(config: Config) -> Journal:
    from gateway.audit.files import journal_path
    from gateway.audit.journal import Journal

    return Journal(journal_path(config.project, os.environ), project=config.project)


async def _local_token(path: Path, secret: str) -> str:
    """A token by which this command is let in, read as `stdio` does; "" where it can't be."""
    from gateway.config.load import load
    from identity.fault import Fault
    from identity.secret_stores.base import SecretRef

    config = await asyncio.to_thread(load, path)
    store = _store(config)
    try:
        with _journal(config).around("secret.read", name=secret, reason="doctor"):
            value = await store.get(SecretRef(config.project, secret))
    except Fault:
        return ""
    finally:
        await store.close()
    return value.reveal()


class _Admin:
    """The running gateway, asked on its admin socket."""

    def __init__(self, path: Path) -> None:
        from gateway.cli.admin_client import AdminClient

        self._client = AdminClient(locate_admin_socket(path))

    async def status(self) -> dict[str, Any]:
        """See `Running.status`."""
        return await asyncio.to_thread(self._client.status)

    async def certificates(self, identity: str) -> dict[str, Any]:
        """See `Running.certificates`."""
        from urllib.parse import urlencode

        target = f"/identity/certificates?{urlencode({'identity': identity})}"
        return await asyncio.to_thread(self._client.document, target)
