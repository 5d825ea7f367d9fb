"""`devwiz-gw issuer lock`, `unlock` and `instances`: keep a workload out, let it in, look."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.issuer_arguments import add_folder, add_json
from gateway.cli.parsers import Commands, duration

if TYPE_CHECKING:
    from certs.issuer.locking import InstanceView, Locking
    from certs.issuer.locks import Lock, Target

_REASONS: Final = (
    "certificate_hold",
    "unspecified",
    "key_compromise",
    "affiliation_changed",
    "superseded",
    "cessation_of_operation",
    "privilege_withdrawn",
)
_KEEP: Final = "none"
# So much of an id tells instances apart, and can be given to `lock`.
_SHOWN_ID: Final = 12

Outcome = TypeVar("Outcome")


def add_commands_to(commands: Commands) -> None:
    """Add the three commands."""
    lock = commands.add(
        "lock",
        summary="keep an instance, a workload or all that joined with a token out, from now on",
        examples=(
            "devwiz-gw issuer lock --dir issuer --instance 871cbf2ba660 --message 'laptop lost'",
            "devwiz-gw issuer lock --dir issuer --bot planner --ttl 2h",
            "devwiz-gw issuer lock --dir issuer --token 0f3a9c5d7e1b2a48 --revoke key_compromise",
        ),
        run=run_lock,
    )
    add_folder(lock)
    _add_target(lock)
    lock.add_argument(
        "--message", default="", metavar="TEXT", help="why; shown to whoever is denied"
    )
    lock.add_argument(
        "--ttl",
        type=duration,
        metavar="TIME",
        help="until when, like 45m or 7d (default: until it is lifted)",
    )
    lock.add_argument(
        "--revoke",
        choices=(*_REASONS, _KEEP),
        default=_REASONS[0],
        metavar="REASON",
        help="what becomes of its certificates: certificate_hold takes them back until the lock "
        f"ends (the default), {', '.join(_REASONS[1:])} for good, {_KEEP} leaves them alone",
    )
    add_json(lock)

    unlock = commands.add(
        "unlock",
        summary="lift a lock, and what it held back is good again",
        examples=(
            "devwiz-gw issuer unlock --dir issuer --instance 871cbf2ba660",
            "devwiz-gw issuer unlock --dir issuer --bot planner",
        ),
        run=run_unlock,
    )
    add_folder(unlock)
    _add_target(unlock)
    add_json(unlock)

    instances = commands.add(
        "instances",
        summary="show the workloads that joined, and the locks in force",
        examples=(
            "devwiz-gw issuer instances --dir issuer",
            "devwiz-gw issuer instances --dir issuer --bot planner --json",
        ),
        run=run_instances,
    )
    add_folder(instances)
    instances.add_argument("--bot", metavar="NAME", help="only this workload's")
    instances.add_argument("--locked", action="store_true", help="only those that are kept out")
    add_json(instances)


def _add_target(parser: argparse.ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--instance", metavar="ID", help="one joined workload: its id or the beginning of it"
    )
    target.add_argument(
        "--bot", metavar="NAME", help="all of a workload, whatever token it comes with"
    )
    target.add_argument("--token", metavar="ID", help="the token, and all that joined with it")


def run_lock(args: argparse.Namespace) -> int:
    """Set a lock."""
    from certs.issuer.locking import LockOrder
    from certs.issuer.locks import Reason

    order = LockOrder(
        target=_target(args),
        message=args.message,
        ttl=args.ttl,
        revoke=None if args.revoke == _KEEP else Reason(args.revoke),
    )
    (locked, is_strange), _ = _with_locking(
        args,
        lambda locking, now: (locking.lock(order, now), _is_strange(locking, order.target, now)),
    )
    lock = locked.lock
    if args.json:
        output.document({**_lock_document(lock), "revoked_certificates": locked.revoked})
        return ExitCode.OK
    end = "until it is lifted" if lock.until is None else f"until {_time(lock.until)}"
    output.line(f"locked {lock.target.kind} {lock.target.name} {end}")
    if order.revoke is not None:
        what = "certificate is" if locked.revoked == 1 else "certificates are"
        output.line(f"{locked.revoked} {what} on the revocation list ({args.revoke})")
    if is_strange:
        output.note(f"no workload has joined as {lock.target.name} so far")
    output.note(f"lift it with: devwiz-gw issuer unlock --dir {args.dir} {_option(lock.target)}")
    return ExitCode.OK


def run_unlock(args: argparse.Namespace) -> int:
    """Lift a lock."""
    target, _ = _with_locking(args, lambda locking, now: locking.unlock(_target(args), now))
    if args.json:
        output.document({"kind": target.kind.value, "target": target.name})
    else:
        output.line(f"unlocked {target.kind} {target.name}")
        output.note("a gateway that was kept out asks again within a minute")
    return ExitCode.OK


def run_instances(args: argparse.Namespace) -> int:
    """Show instances and locks."""
    (views, locks), now = _with_locking(
        args, lambda locking, now: (locking.instances(now), locking.locks(now))
    )
    shown = [
        view
        for view in views
        if args.bot in {None, view.row.instance.binding.workload}
        and (view.lock is not None or not args.locked)
    ]
    if args.json:
        output.document(
            {
                "instances": [_instance_document(view) for view in shown],
                "locks": [_lock_document(lock) for lock in locks],
            }
        )
        return ExitCode.OK
    _show_instances(shown, now)
    _show_locks(locks, now)
    return ExitCode.OK


def _with_locking(
    args: argparse.Namespace, act: Callable[[Locking, datetime], Outcome]
) -> tuple[Outcome, datetime]:
    from certs.clock import SystemClock
    from certs.issuer.folder import open_issuer

    now = SystemClock().now()
    opened = open_issuer(args.dir)
    try:
        return act(opened.locking, now), now
    finally:
        opened.service.close()


def _target(args: argparse.Namespace) -> Target:
    from certs.issuer.locks import LockKind, Target

    for kind in LockKind:
        name = getattr(args, kind.value)
        if name is not None:
            return Target(kind=kind, name=name)
    raise AssertionError("argparse lets nothing through without a target")


def _is_strange(locking: Locking, target: Target, now: datetime) -> bool:
    """Whether nobody has joined by a workload's name: it may be a slip of the pen."""
    from certs.issuer.locks import LockKind

    return target.kind is LockKind.BOT and all(
        view.row.instance.binding.workload != target.name for view in locking.instances(now)
    )


def _option(target: Target) -> str:
    return f"--{target.kind} {target.name}"


def _show_instances(views: list[InstanceView], now: datetime) -> None:
    if not views:
        output.line("no instances")
        return
    headings = ("INSTANCE", "BOT", "SPIFFE ID", "GENERATION", "SEEN", "CERTIFICATE", "LOCK")
    rows = [_row(view, now) for view in views]
    for text in output.fitted(headings, rows, columns=output.terminal_width()):
        output.line(text)


def _row(view: InstanceView, now: datetime) -> tuple[str, ...]:
    row = view.row
    lineage = row.instance.lineage
    return (
        row.instance.id[:_SHOWN_ID],
        row.instance.binding.workload,
        row.instance.binding.names.spiffe_id,
        str((lineage.pending or lineage.confirmed).generation),
        f"{_span(now, row.seen)} ago",
        _certificate(row.not_after, now),
        "" if view.lock is None else view.lock.target.kind.value,
    )


def _certificate(not_after: datetime | None, now: datetime) -> str:
    if not_after is None:
        return ""
    if not_after > now:
        return f"good for {_span(not_after, now)}"
    return f"ended {_span(now, not_after)} ago"


def _show_locks(locks: tuple[Lock, ...], now: datetime) -> None:
    if not locks:
        return
    rows = [
        (
            lock.target.kind.value,
            lock.target.name,
            f"{_span(now, lock.locked)} ago",
            "until lifted" if lock.until is None else f"{_span(lock.until, now)} more",
            lock.message,
        )
        for lock in locks
    ]
    output.line("")
    for text in output.table(("LOCK", "ON", "SINCE", "FOR", "MESSAGE"), rows):
        output.line(text)


def _instance_document(view: InstanceView) -> dict[str, Any]:
    row = view.row
    lineage = row.instance.lineage
    return {
        "instance": row.instance.id,
        "bot": row.instance.binding.workload,
        "token_id": row.instance.token_id,
        "spiffe_id": row.instance.binding.names.spiffe_id,
        "generation": (lineage.pending or lineage.confirmed).generation,
        "joined": _time(row.joined),
        "seen": _time(row.seen),
        "not_after": row.not_after and _time(row.not_after),
        "live_certificates": row.live_certificates,
        "lock": view.lock and _lock_document(view.lock),
    }


def _lock_document(lock: Lock) -> dict[str, Any]:
    return {
        "kind": lock.target.kind.value,
        "target": lock.target.name,
        "message": lock.message,
        "locked": _time(lock.locked),
        "until": lock.until and _time(lock.until),
        "revoke": lock.revoke.value if lock.revoke else _KEEP,
    }


def _span(later: datetime, earlier: datetime) -> str:
    return output.duration((later - earlier).total_seconds())


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
