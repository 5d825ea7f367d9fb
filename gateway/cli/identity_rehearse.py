"""`devwiz-gw identity rehearse`: the configuration's identities, through renewals, outages, sleeps
and new authorities in seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import Commands, duration

if TYPE_CHECKING:
    from certs.rehearsal.plan import Outcome
    from gateway.cli.rehearse_plan import Wishes
    from gateway.config.model import Config, IdentityConfig, SourceConfig


def add_command(commands: Commands) -> None:
    """Add `rehearse`."""
    parser = commands.add(
        "rehearse",
        summary="go through renewals, outages and sleeps in seconds; tell what would have failed",
        examples=(
            "devwiz-gw identity rehearse",
            "devwiz-gw identity rehearse --embedded --life 1h --outage 45m --sleep 9h",
            "devwiz-gw identity rehearse --life 60s --real-renewals 10 --json",
        ),
        run=_run,
    )
    parser.add_argument(
        "--embedded",
        action="store_true",
        help="don't ask the configured issuer at all. Otherwise it is really asked, as by a start "
        "of a gateway: a one-time token loses a use, a bound key joins once more (and not while "
        "the gateway runs)",
    )
    parser.add_argument(
        "--life",
        metavar="TIME",
        type=duration,
        help="life of the certificates; asked of the issuer where it takes a wish (vault, "
        "google-wif), else simulated only (default: what the issuer gives; 1h with --embedded)",
    )
    _add_counts(parser)
    _add_spans(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _add_counts(parser: argparse.ArgumentParser) -> None:
    for option, default, most, what in (
        ("--renewals", 100, 10_000, "simulated renewals (default: %(default)s)"),
        ("--real-renewals", 3, 50, "renewals with the configured issuer (default: %(default)s)"),
        (
            "--token-uses",
            1,
            1_000_000,
            "joins that a simulated one-time token is good for (default: %(default)s)",
        ),
    ):
        parser.add_argument(option, metavar="N", type=_count(most), default=default, help=what)


def _add_spans(parser: argparse.ArgumentParser) -> None:
    for option, what in (
        (
            "--outage",
            "how long all issuers are away (may be repeated; default: a quarter of a life, twice)",
        ),
        ("--sleep", "how long the machine sleeps (may be repeated; default: 9h)"),
    ):
        parser.add_argument(
            option, metavar="TIME", type=duration, action="append", default=[], help=what
        )


def _count(most: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most}")
        return int(text)

    return count


def _run(args: argparse.Namespace) -> int:
    from gateway.cli.rehearse_plan import Wishes
    from gateway.config.load import find_config, load

    config = load(find_config(args.config, cwd=Path.cwd(), env=os.environ))
    wishes = Wishes(
        renewals=args.renewals,
        real_renewals=args.real_renewals,
        joins=args.token_uses,
        life=args.life,
        outages=tuple(args.outage),
        sleeps=tuple(args.sleep),
    )
    if not args.embedded:
        _refuse_beside_a_gateway(config)
    # What fails is told in the report, once.
    logging.getLogger("certs").addHandler(logging.NullHandler())
    with output.Progress("rehearsing") as progress:
        report = asyncio.run(
            _rehearse(config, wishes, is_real=not args.embedded, tell=progress.tick)
        )
    if args.json:
        output.document(report.document())
    else:
        _show(report)
    return ExitCode.OK if report.is_good else ExitCode.FAILED


def _refuse_beside_a_gateway(config: Config) -> None:
    """A join with the bound key of a gateway that runs would get that one's instance locked."""
    from gateway.cli.admin_client import client_for
    from gateway.cli.rehearse_plan import takes_turns
    from gateway.config.identities import identities_of
    from gateway.errors import GatewayError, NotRunning

    sources = [source for item in identities_of(config).values() for source in item.sources]
    if not any(map(takes_turns, sources)):
        return
    with contextlib.suppress(NotRunning):
        client_for(config.path).get("/status")
        raise GatewayError(
            "a gateway runs with this configuration, and its bound key is for one program at a "
            "time: to the issuer a second one is a copied key, and the gateway would be locked",
            hint="rehearse with --embedded, or stop the gateway first",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """What came of it all. `life` is that of the certificates of the simulated part."""

    config: Path
    asked: tuple[str, ...]
    life: timedelta
    outcomes: tuple[tuple[str, Outcome], ...]

    @property
    def is_good(self) -> bool:
        return all(outcome.is_good for _, outcome in self.outcomes)

    def document(self) -> dict[str, Any]:
        from gateway.cli.rehearse_plan import survivable

        return {
            "ok": self.is_good,
            "config": str(self.config),
            "really_asked": list(self.asked),
            "certificate_life_s": round(self.life.total_seconds()),
            "survivable_outage_s": round(survivable(self.life).total_seconds()),
            "steps": [
                {"source": source, **outcome.document()} for source, outcome in self.outcomes
            ],
        }


async def _rehearse(
    config: Config, wishes: Wishes, *, is_real: bool, tell: Callable[[str], None]
) -> _Report:
    from gateway.cli.rehearse_plan import USUAL_LIFE
    from gateway.config.identities import identities_of

    outcomes: list[tuple[str, Outcome]] = []
    lives: list[timedelta] = []
    identities = identities_of(config)
    asked = [
        (name, identity, source)
        for name, identity in (identities.items() if is_real else ())
        for source in identity.sources
    ]
    for name, identity, source in asked:
        made, life = await _really(config, identity, source, wishes, tell)
        outcomes += [(_label(name, source.name), outcome) for outcome in made]
        lives += [life] if life else []
    life = wishes.life or min(lives, default=USUAL_LIFE)
    # Those that differ in their names alone fare alike.
    for name, identity in {
        item.sources: (name, item) for name, item in identities.items()
    }.values():
        made, life = await _simulated(identity, life, wishes, tell)
        outcomes += [(_label(name, "embedded"), outcome) for outcome in made]
    return _Report(
        config=config.path,
        asked=tuple(_label(name, source.name) for name, _, source in asked),
        life=life,
        outcomes=tuple(outcomes),
    )


def _label(identity: str, source: str) -> str:
    from gateway.config.model import DEFAULT_IDENTITY

    return source if identity == DEFAULT_IDENTITY else f"{identity}: {source}"


async def _simulated(
    identity: IdentityConfig, life: timedelta, wishes: Wishes, tell: Callable[[str], None]
) -> tuple[list[Outcome], timedelta]:
    """What came of the embedded issuer, and the life of its certificates."""
    from certs.clock import SystemClock
    from certs.rehearsal.stage import embedded_lab
    from gateway.cli import rehearse_plan

    scene = rehearse_plan.scene(identity, life, wishes)
    life = scene.offer.life
    async with embedded_lab(scene, real=SystemClock(), timer=time.monotonic, tell=tell) as lab:
        steps = rehearse_plan.simulated_steps(identity, life, wishes)
        return [await lab.go_through(step) for step in steps], life


async def _really(
    config: Config,
    identity: IdentityConfig,
    wanted: SourceConfig,
    wishes: Wishes,
    tell: Callable[[str], None],
) -> tuple[list[Outcome], timedelta | None]:
    """What came of asking the user's own issuer, and the life that it gave."""
    from certs.clock import SystemClock
    from certs.rehearsal.plan import FirstIdentity
    from certs.rehearsal.stage import real_lab
    from gateway.asking import asker_of
    from gateway.cli import rehearse_plan
    from gateway.data_plane.refusals import RENEWAL_WAIT_S
    from gateway.identity_sources import open_source
    from identity.secret_stores.open import open_store

    asking = rehearse_plan.asked_for(wanted, wishes.life)
    alone = replace(config, identity=replace(identity, sources=(asking,)), identities={})
    async with contextlib.AsyncExitStack() as cleanup:
        asker = asker_of(config.place, os.environ)
        store = open_store(config.secrets.store, folder=config.secrets.folder, asker=asker)
        cleanup.push_async_callback(store.close)
        source = open_source(alone, store, os.environ)
        cleanup.push_async_callback(source.close)
        lab = await cleanup.enter_async_context(
            real_lab(
                source,
                real=SystemClock(),
                timer=time.monotonic,
                request_wait_s=RENEWAL_WAIT_S,
                tell=tell,
            )
        )
        outcomes = [await lab.go_through(FirstIdentity())]
        if not outcomes[0].is_good:
            return outcomes, None
        life = lab.certificate_life
        for step in rehearse_plan.real_steps(wanted, life, wishes):
            outcomes.append(await lab.go_through(step))
            if not outcomes[-1].is_good:
                break
        return outcomes, life


# What people see


def _show(report: _Report) -> None:
    from gateway.cli.rehearse_plan import survivable

    headings = ("PART", "SOURCE", "STEP", "RENEWALS", "REQUESTS", "FAILED", "REPLY", "RESULT")
    rows = [_row(source, outcome) for source, outcome in report.outcomes]
    for text in output.fitted(headings, rows, columns=output.terminal_width()):
        output.line(text)
    output.line()
    if report.asked:
        output.line(f"real: {', '.join(report.asked)}, really asked, in time that ran faster")
    else:
        output.line("real: nothing, no configured issuer was asked (--embedded)")
    output.line(
        "simulated: the same rotation against an embedded issuer, with certificates of "
        f"{output.duration(report.life.total_seconds())}"
    )
    output.line(
        "with that life an outage of all issuers costs nothing for up to "
        f"{output.duration(survivable(report.life).total_seconds())}"
    )
    _show_failures([item for item in report.outcomes if not item[1].is_good])


def _row(source: str, outcome: Outcome) -> list[str]:
    return [
        outcome.part,
        source,
        outcome.step,
        str(outcome.renewals),
        str(outcome.requests),
        str(outcome.failed_requests),
        f"{outcome.slowest_reply_s:.2f}s",
        "ok" if outcome.is_good else "failed",
    ]


def _show_failures(failed: Sequence[tuple[str, Outcome]]) -> None:
    output.line()
    if not failed:
        output.line(output.paint("nothing would have failed", "good"))
        return
    output.line(output.paint("this would have failed:", "bad"))
    for source, outcome in failed:
        output.line(f"  {outcome.step} ({outcome.part}, {source}): {_cost(outcome)}")
        output.line(f"    {output.printable(outcome.why)}")
        if outcome.hint:
            output.line(f"    {output.paint('hint:', 'faint')} {output.printable(outcome.hint)}")


def _cost(outcome: Outcome) -> str:
    if not outcome.failed_requests:
        return "no request failed yet"
    cost = f"{outcome.failed_requests} of {outcome.requests} requests"
    return f"{cost}, for {output.duration(outcome.failed_s)}"
