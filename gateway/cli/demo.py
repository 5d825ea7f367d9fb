"""`devwiz-gw demo`: the main job, end to end, on this machine."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli import output
from gateway.cli.admin_client import AdminClient
from gateway.cli.exit_codes import ExitCode
from gateway.cli.status_view import status_lines
from gateway.errors import GatewayError, NotRunning

if TYPE_CHECKING:
    from gateway.demo.local_agent import Tally
    from gateway.demo.stack import Stack

_READY_DEADLINE_S: Final = 30.0
_MOST_WORK_S: Final = 55.0
# A stream begins at the latest when 60 % of a certificate's life are over, and takes 5 s.
_LEAST_LIFE_S: Final = 15
_MOST_LIFE_S: Final = 3600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `demo`."""
    parser.add_argument(
        "--renewals", type=int, default=3, help="certificates to see renewed (default: 3)"
    )
    parser.add_argument(
        "--certificate-life",
        metavar="SECONDS",
        type=_life,
        default=20,
        help="life of the certificates (default: 20, at least 15: a stream of 5 s must end on the "
        "certificate that it began with)",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave everything running until interrupted"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    try:
        import mcp  # noqa: F401 - only to know that it is there
    except ImportError:
        raise GatewayError(
            "the demonstration needs the official MCP SDK",
            hint="install devwiz-gw with its 'demo' extra, or use 'make demo'",
        ) from None
    with tempfile.TemporaryDirectory(prefix="devwiz-gw-demo-") as folder:
        try:
            return asyncio.run(_story(Path(folder), args))
        except KeyboardInterrupt:
            return ExitCode.OK if args.keep else ExitCode.INTERRUPTED
        except asyncio.CancelledError:
            return ExitCode.OK if args.keep else ExitCode.TERMINATED


def _life(text: str) -> int:
    try:
        seconds = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not _LEAST_LIFE_S <= seconds <= _MOST_LIFE_S:
        raise argparse.ArgumentTypeError(
            f"{seconds} is out of range: {_LEAST_LIFE_S} to {_MOST_LIFE_S}"
        )
    return seconds


def _stop_on_sigterm() -> None:
    """End this task as Ctrl-C does, so that what it started is stopped too."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _story(folder: Path, args: argparse.Namespace) -> int:
    from gateway.demo.stack import PEER, refused_without_certificate, running

    _stop_on_sigterm()
    _step("starting an issuer, a remote MCP agent behind mutual TLS 1.3, and the gateway")
    async with running(folder, leaf_life=timedelta(seconds=args.certificate_life)) as stack:
        admin = AdminClient(stack.admin_socket)
        await _until_ready(admin, folder / "gateway.log")
        refusal = await refused_without_certificate(stack.agent_port)
        if not refusal:
            raise GatewayError(
                "the remote agent answered a caller without a certificate",
                hint="this is a defect: please report it",
            )
        _step(f"a direct call without a certificate is refused: {refusal}")
        _step(f"the official MCP client works {stack.url} (remote: {PEER})")
        tally = await _work(stack, admin, args)
        status = await asyncio.to_thread(admin.status)
        output.line()
        for line in status_lines(status, now=datetime.now(UTC), columns=output.terminal_width()):
            output.line(line)
        output.line()
        code = _summary(tally, status, wanted=args.renewals)
        if args.keep:
            await _keep(stack)
        return code


async def _until_ready(admin: AdminClient, log: Path) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + _READY_DEADLINE_S
    while loop.time() < end:
        try:
            reply = await asyncio.to_thread(admin.get, "/readyz")
        except NotRunning:
            reply = None
        if reply is not None and reply.status == 200:
            return
        await asyncio.sleep(0.1)
    said = await asyncio.to_thread(log.read_text)
    raise GatewayError("the gateway did not become ready", hint=said[-2000:].strip())


async def _work(stack: Stack, admin: AdminClient, args: argparse.Namespace) -> Tally:
    """Keep the local agent working until enough certificates were renewed under it."""
    from gateway.demo.local_agent import Tally, work

    tally = Tally()
    loop = asyncio.get_running_loop()
    end = loop.time() + max(_MOST_WORK_S, args.renewals * args.certificate_life)
    first = last = _generation(await asyncio.to_thread(admin.status))
    done = False
    agent = asyncio.create_task(work(stack.url, until=lambda: done, tally=tally))
    try:
        with output.Progress("working") as progress:
            while loop.time() < end and last - first < args.renewals and not agent.done():
                await asyncio.sleep(0.25)
                generation = _generation(await asyncio.to_thread(admin.status))
                if generation != last:
                    last = generation
                    _step(f"certificate renewed: generation {last}, {tally.calls} calls so far")
                progress.tick(f"{tally.calls} calls, {tally.events} events, generation {last}")
        done = True
        await agent
    finally:
        agent.cancel()  # its streams would be drained when the gateway stops
    return tally


def _generation(status: dict[str, Any]) -> int:
    return int(status["identity"]["generation"] or 0)


def _summary(tally: Tally, status: dict[str, Any], *, wanted: int) -> int:
    renewals = _generation(status) - 1
    good = not tally.failures and tally.calls > 0 and tally.streams > 0 and renewals >= wanted
    rows = [
        ("tools", ", ".join(tally.tools)),
        ("protocol", f"MCP {tally.protocol}"),
        ("calls", f"{tally.calls}"),
        ("streams", f"{tally.streams} with {tally.events} events"),
        ("renewals", f"{renewals}"),
        ("failures", f"{len(tally.failures)}"),
    ]
    for line in output.pairs(rows):
        output.line(line)
    for failure in tally.failures[:10]:
        output.line(f"  failed: {output.printable(failure)}")
    output.line()
    output.line(output.paint("it works", "good") if good else output.paint("it failed", "bad"))
    return ExitCode.OK if good else ExitCode.FAILED


async def _keep(stack: Stack) -> None:
    output.line()
    output.line("still running; paste this into an MCP client (Ctrl-C ends it):")
    output.document({"mcpServers": {"planner": {"type": "http", "url": stack.url}}})
    output.line(f"look at it with: devwiz-gw status --config {stack.config}")
    await asyncio.Event().wait()


def _step(text: str) -> None:
    output.line(f"{output.paint('•', 'good')} {text}")
