"""`devwiz-gw mfa`: the security keys of a project, and what they are for."""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime

from gateway.audit.event import ENROLLED, REMOVED, Event
from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.mfa_scope import MfaScope, opened
from gateway.cli.parsers import UsageError, add_commands
from gateway.cli.security_key import AtTerminal, add_mode, wanted_mode
from gateway.cli.touch import Action, ceremony
from gateway.cli.vault_answers import NewAnswers
from identity.errors import TouchDenied
from identity.mfa.assertion import encoded
from identity.mfa.ceremony import Candidate
from identity.mfa.enrolled import MAX_KEYS, MAX_LABEL, SALT_BYTES, EnrolledKeys, KeySlot, Lock
from identity.secret_stores.vault.keys import KEY_BYTES, NONCE_BYTES
from identity.secret_stores.vault.recovery_code import CODE_BYTES, new_code, normal_code

_CHALLENGE_BYTES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `mfa`."""
    commands = add_commands(parser)
    adding = commands.add(
        "add",
        summary="enrol a security key; the first by itself, each other one by a touch of one",
        examples=("devwiz-gw mfa add --label blue", "devwiz-gw mfa add --recovery"),
        run=_add,
    )
    adding.add_argument("--label", default="", metavar="TEXT", help="what it is, for your memory")
    add_mode(adding)
    listing = commands.add(
        "list",
        summary="list the enrolled keys, and whether touches can be demanded",
        examples=("devwiz-gw mfa list", "devwiz-gw mfa list --json"),
        run=_list,
    )
    listing.add_argument("--json", action="store_true", help="print JSON")
    removing = commands.add(
        "rm",
        summary="remove an enrolled key, lost or not, by a touch of one or the recovery code",
        examples=("devwiz-gw mfa rm 1", "devwiz-gw mfa rm 1 --recovery"),
        run=_remove,
    )
    removing.add_argument("number", type=int, metavar="N", help="its number, as 'list' shows it")
    testing = commands.add(
        "test",
        summary="see that a key, or the recovery code, opens what is sealed",
        examples=("devwiz-gw mfa test", "devwiz-gw mfa test --recovery"),
        run=_test,
    )
    allowing = commands.add(
        "allow",
        summary="touch once, ahead, for several commands that read these secrets",
        examples=(
            "devwiz-gw mfa allow prod-db prod-key --for 300 --times 10",
            "devwiz-gw mfa allow prod-db --command run",
        ),
        run=_allow,
    )
    allowing.add_argument("names", nargs="+", metavar="NAME", help="the secrets")
    allowing.add_argument(
        "--command",
        dest="of",
        choices=("secret get", "run"),
        default="secret get",
        help="what may read them (default: secret get)",
    )
    allowing.add_argument(
        "--for",
        dest="seconds",
        type=int,
        choices=range(10, 3601),
        default=300,
        metavar="SECONDS",
        help="within what time, 10 to 3600 (default: 300)",
    )
    allowing.add_argument(
        "--times",
        type=int,
        choices=range(1, 1001),
        metavar="N",
        help="how many readings in all, 1 to 1000 (default: one of each)",
    )
    coding = commands.add(
        "recovery",
        summary="make a recovery code, in the place of the one that there was",
        examples=("devwiz-gw mfa recovery", "devwiz-gw mfa recovery --recovery"),
        run=_recovery,
    )
    for command in (adding, removing, testing, coding):
        command.add_argument(
            "--recovery",
            action="store_true",
            help="be let in by the recovery code, which is asked for, in place of a touch",
        )
    for command in (adding, listing, removing, testing, allowing, coding):
        command.add_argument("--project", help="whose (default: the configuration's project)")


def _add(args: argparse.Namespace) -> int:
    with opened(args, "mfa add") as scope:
        keys = scope.keys
        if keys is None:
            lock = Lock(os.urandom(KEY_BYTES), scope.project)
            keys = EnrolledKeys(public=lock.public)
        elif len(keys.slots) >= MAX_KEYS:
            raise UsageError(f"a project has {MAX_KEYS} keys at most", hint="remove one first")
        else:
            lock = scope.let_in("another key")
            AtTerminal().pause("now plug in the new security key, and press Enter ")
        slot = _enrolled(args, scope, keys, lock)
        told = {
            "number": slot.number,
            "credential": encoded(slot.credential),
            "public_key": encoded(slot.public_key),
            "verified": slot.verified,
            "aaguid": slot.aaguid,
        }
        keys, more = keys.with_slot(slot), {"mfa_key": told}
        scope.change(keys, Event(action=ENROLLED, outcome="ok", name=slot.label, more=more))
    output.note(f"key {slot.number} is enrolled; user verification is {slot.mode}")
    if not keys.is_enough:
        output.note(
            "if it is lost, all is lost: enrol a second one, or make a recovery code: "
            "devwiz-gw mfa recovery. Until then no touch is demanded, and nothing sealed"
        )
    return ExitCode.OK


def _enrolled(args: argparse.Namespace, scope: MfaScope, keys: EnrolledKeys, lock: Lock) -> KeySlot:
    """A new slot, whose key was touched once more to see that it works as it will be used."""
    asking = ceremony(
        [f"A touch enrols a security key for {scope.project}, a second one tests it."]
    )
    made = asking.enrol(
        name=scope.project,
        verified=wanted_mode(args),
        known=[slot.credential for slot in keys.slots],
    )
    salt = os.urandom(SALT_BYTES)
    asked = Candidate(made.credential, made.public_key, made.verified, salt)
    touch = asking.touch(os.urandom(_CHALLENGE_BYTES), [asked])
    number = keys.next_number
    return KeySlot(
        number=number,
        label=args.label[:MAX_LABEL],
        credential=made.credential,
        public_key=made.public_key,
        verified=made.verified,
        salt=salt,
        box=lock.box_for_key(touch.secret, number, nonce=os.urandom(NONCE_BYTES)),
        aaguid=made.aaguid,
        made=int(time.time()),
    )


def _list(args: argparse.Namespace) -> int:
    with opened(args, "mfa list") as scope:
        scope.journal.record("mfa.list", outcome="ok")
        keys = scope.keys or EnrolledKeys(public=b"")
    if args.json:
        found = [
            {
                "key": slot.number,
                "label": slot.label,
                "uv": slot.mode,
                "model": slot.aaguid,
                "made": _day(slot),
            }
            for slot in keys.slots
        ]
        output.document(
            {"keys": found, "recovery": bool(keys.recovery), "is_enough": keys.is_enough}
        )
        return ExitCode.OK
    rows = [
        (str(slot.number), slot.mode, _day(slot), slot.aaguid, slot.label) for slot in keys.slots
    ]
    for line in output.table(("KEY", "UV", "MADE", "MODEL", "LABEL"), rows) if rows else ():
        output.line(line)
    output.note(f"recovery code: {'there is one' if keys.recovery else 'none'}")
    if not keys.is_enough:
        output.note("touches can't be demanded: that takes two keys, or one and a recovery code")
    return ExitCode.OK


def _remove(args: argparse.Namespace) -> int:
    with opened(args, "mfa rm") as scope:
        keys = scope.enrolled
        if args.number not in {slot.number for slot in keys.slots}:
            raise UsageError(f"there is no key {args.number}", hint="see 'devwiz-gw mfa list'")
        after = keys.without(args.number)
        if not after.is_enough and not after.recovery:
            raise UsageError(
                "the keys that are left would not be enough",
                hint="enrol another one, or make a recovery code, first",
            )
        scope.let_in(f"key {args.number}")
        scope.change(after, Event(action=REMOVED, outcome="ok", name=str(args.number)))
    output.note(
        f"key {args.number} opens nothing any more; whoever has it and an older copy of the store "
        "can still open that one"
    )
    return ExitCode.OK


def _test(args: argparse.Namespace) -> int:
    with opened(args, "mfa test") as scope:
        lock = scope.let_in()
        if lock.public != scope.enrolled.public:
            raise TouchDenied("it opens another lock than the project's")
    output.line("the recovery code is good" if args.recovery else "the security key is good")
    return ExitCode.OK


def _allow(args: argparse.Namespace) -> int:
    names = tuple(dict.fromkeys(args.names))
    with opened(args, "mfa allow") as scope:
        for name in names:
            scope.inner.ref(name)
        scope.touch_ahead(
            Action(command=args.of, targets=names, uses=args.times or len(names)), args.seconds
        )
    output.note(f"allowed for {args.seconds} s; what is sealed still takes a touch each time")
    return ExitCode.OK


def _recovery(args: argparse.Namespace) -> int:
    with opened(args, "mfa recovery") as scope:
        lock = scope.let_in()
        code, new = new_code(os.urandom(CODE_BYTES)), NewAnswers(None)
        new.show_code(code, "stands in for a security key that is lost")
        if normal_code(new.recovery_code().reveal()) != normal_code(code):
            raise TouchDenied(
                "that is not the recovery code", hint="the old one stays; begin again for a new one"
            )
        box = lock.box_for_code(code, nonce=os.urandom(NONCE_BYTES))
        scope.change(scope.enrolled.with_recovery(box), Event(action="mfa.recovery", outcome="ok"))
    output.note("the recovery code stands in for a security key from now on")
    return ExitCode.OK


def _day(slot: KeySlot) -> str:
    try:
        return datetime.fromtimestamp(slot.made, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return ""
