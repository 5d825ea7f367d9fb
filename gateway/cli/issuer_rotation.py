"""`devwiz-gw issuer rotate-ca` and `renew-window`: a new authority, step by step."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.issuer_arguments import add_folder, add_json
from gateway.cli.parsers import Commands, UsageError, duration

if TYPE_CHECKING:
    from certs.issuer.authority_rotation import AuthorityRotation, AuthorityView, RotationView

_PHASES: Final = ("init", "update_clients", "update_servers", "standby", "rollback")
_DEFAULT_GRACE: Final = timedelta(hours=1)

# What to look at before the next phase, and what that one will do.
_ADVICE: Final = {
    "standby": "no rotation is under way; --phase init begins one",
    "init": "once every workload has the new bundle (they follow it within seconds; those that "
    "others wrote, at their refresh hint): --phase update_clients",
    "update_clients": "once every instance has renewed and ca_pin of every configuration names the "
    "new authority too: --phase update_servers",
    "update_servers": "once joins and renewals go on as before: --phase standby",
    "rollback": "once every instance has renewed: --phase standby",
}


def add_commands_to(commands: Commands) -> None:
    """Add both commands."""
    rotate = commands.add(
        "rotate-ca",
        summary="replace the issuer's authority in phases, or show where that stands",
        examples=(
            "devwiz-gw issuer rotate-ca --dir issuer",
            "devwiz-gw issuer rotate-ca --dir issuer --phase init",
            "devwiz-gw issuer rotate-ca --dir issuer --auto --grace 2h",
            "devwiz-gw issuer rotate-ca --dir issuer --rollback",
        ),
        run=run_rotate,
    )
    add_folder(rotate)
    steps = rotate.add_mutually_exclusive_group()
    steps.add_argument("--phase", choices=_PHASES, help="enter this phase, which must be next")
    steps.add_argument(
        "--rollback",
        action="store_const",
        dest="phase",
        const="rollback",
        help="let the old authority sign again; then --phase standby",
    )
    steps.add_argument(
        "--auto",
        action="store_true",
        help="begin, or go on, and let the running issuer enter each next phase",
    )
    rotate.add_argument(
        "--grace",
        type=duration,
        metavar="TIME",
        help="with --auto: how long each phase lasts (default: 1h)",
    )
    add_json(rotate)

    window = commands.add(
        "renew-window",
        summary="ask every workload to renew its certificate soon, spread over a time",
        examples=("devwiz-gw issuer renew-window --dir issuer --within 10m",),
        run=run_window,
    )
    add_folder(window)
    window.add_argument(
        "--within",
        type=duration,
        metavar="TIME",
        help="spread the renewals over this time (default: a quarter of each life)",
    )
    add_json(window)


def run_rotate(args: argparse.Namespace) -> int:
    """Take one step, or none; show where the rotation stands."""
    from certs.issuer.ca_rotation import Phase

    if args.grace is not None and not args.auto:
        raise UsageError("--grace goes with --auto only", hint="add --auto, or leave --grace out")

    def act(rotation: AuthorityRotation, now: datetime) -> RotationView:
        if args.auto:
            grace = _DEFAULT_GRACE if args.grace is None else args.grace
            return rotation.automate(grace, now)
        if args.phase is not None:
            return rotation.enter(Phase(args.phase), now)
        return rotation.view(now)

    view, now = _with_rotation(args, act)
    if args.json:
        output.document(_document(view))
        return ExitCode.OK
    if args.phase is not None and not view.changed:
        output.note(f"it is in {args.phase} already; nothing was changed")
    _show(view, now)
    return ExitCode.OK


def run_window(args: argparse.Namespace) -> int:
    """Pull the renewals of the whole fleet forward."""
    view, _ = _with_rotation(args, lambda rotation, now: rotation.pull_renewals(args.within, now))
    if args.json:
        output.document(_document(view))
    else:
        output.line(f"asked {view.live_instances} instances to renew soon")
        output.note("gateways hear of it within seconds; others when they ask again")
    return ExitCode.OK


def _with_rotation(
    args: argparse.Namespace, act: Callable[[AuthorityRotation, datetime], RotationView]
) -> tuple[RotationView, datetime]:
    from certs.clock import SystemClock
    from certs.issuer.folder import open_issuer

    now = SystemClock().now()
    opened = open_issuer(args.dir)
    try:
        return act(opened.rotation, now), now
    finally:
        opened.service.close()


def _document(view: RotationView) -> dict[str, Any]:
    rotation = view.rotation
    return {
        "phase": rotation.phase.value,
        "since": _time(rotation.since),
        "next_phase_at": rotation.next_at and _time(rotation.next_at),
        "changed": view.changed,
        "bundle_sequence": view.sequence,
        "authorities": [
            {
                "number": item.number,
                "ca_pin": item.pin,
                "signs_for_workloads": item.signs_for_workloads,
                "signs_for_server": item.signs_for_server,
                "not_after": _time(item.not_after),
                "until": item.until and _time(item.until),
            }
            for item in view.authorities
        ],
        "instances": {"live": view.live_instances, "renewed": view.renewed_instances},
        "renewals_asked_at": view.pull and _time(view.pull.at),
    }


def _show(view: RotationView, now: datetime) -> None:
    rotation = view.rotation
    since = output.duration((now - rotation.since).total_seconds())
    rows = [("phase", f"{rotation.phase}, for {since}")]
    if rotation.next_at is not None:
        left = output.duration((rotation.next_at - now).total_seconds())
        rows.append(("next phase", f"by itself in {left}, if the issuer runs"))
    renewed = f"{view.renewed_instances} of {view.live_instances} since the phase began"
    rows += [("renewed", renewed), ("bundle", f"version {view.sequence}")]
    for text in output.pairs(rows, indent=""):
        output.line(text)
    headings = ("authority", "signs for", "in the bundle until", "ca_pin")
    authorities = [_row(item) for item in view.authorities]
    for text in output.fitted(headings, authorities, columns=output.terminal_width()):
        output.line(text)
    output.note(_ADVICE[rotation.phase])


def _row(item: AuthorityView) -> tuple[str, str, str, str]:
    signs = [
        word
        for word, does in (
            ("workloads", item.signs_for_workloads),
            ("its server", item.signs_for_server),
        )
        if does
    ]
    until = "" if item.until is None else _time(item.until)
    return (str(item.number), ", ".join(signs), until, item.pin)


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
