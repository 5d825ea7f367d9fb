"""`devwiz-gw audit acknowledge`: a person says to know of what `audit verify` finds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from gateway.audit.event import MAX_TEXT
from gateway.audit.files import all_files, lines_of
from gateway.audit.key import key_ref, place_text, reached_ref, signer_of
from gateway.audit.verify import Problem, verify
from gateway.cli import output
from gateway.cli.approval import AgentRefused
from gateway.cli.audit_expected import expected_of
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import UsageError
from gateway.cli.secret_scope import opened
from gateway.cli.touch import Action, Gate
from gateway.injection.ancestors import agent_behind_us
from identity.errors import SecretNotFound

#: Of a finding's name; fewer are typed by accident.
_LEAST_LETTERS: Final = 8
_COMMAND: Final = "audit acknowledge"


def run(args: argparse.Namespace) -> int:
    """The command."""
    reason = args.reason.strip()
    if not reason:
        raise UsageError("the reason is empty", hint="say what happened")
    if len(reason) > MAX_TEXT:
        raise UsageError(f"the reason is longer than {MAX_TEXT} characters")
    if agent := agent_behind_us():
        raise AgentRefused(
            f"{agent} asks to acknowledge findings in the audit journal",
            hint="that is for a person: run it yourself in a terminal",
        )
    with opened(args) as scope:
        try:
            signer = signer_of(scope.store.get(key_ref(scope.project)))
        except (SecretNotFound, ValueError):
            raise UsageError(
                "this journal has no key to sign with",
                hint="`serve` makes one, where the store can keep it",
            ) from None
        files = [(item.name, lines_of(item)) for item in all_files(scope.journal.path)]
        found = verify(files, expected_of(scope)).problems
        chosen = _chosen(args.findings, found)
        # A new place in the store would hide that the one it has is gone.
        is_end_known = all(item in chosen for item in found if item.is_end)
        action = Action(command=_COMMAND, targets=tuple(item.id for item in chosen))
        Gate(scope.store, scope.journal, scope.snapshot.policy(), action).approve()
        for problem in chosen:
            place = scope.journal.acknowledge(problem.fields(), reason, signer)
            if is_end_known:
                scope.store.set(reached_ref(scope.project), place_text(place))
            output.line(f"acknowledged {problem.id[:12]}: {problem.what}")
    return ExitCode.OK


def _chosen(wanted: Sequence[str], problems: Sequence[Problem]) -> list[Problem]:
    chosen = []
    for text in dict.fromkeys(wanted):
        fits = [item for item in problems if item.id.startswith(text.lower())]
        if len(text) < _LEAST_LETTERS or len(fits) != 1:
            raise UsageError(
                f"{output.printable(text)} is no finding of this journal",
                hint="'devwiz-gw audit verify' shows those that are open",
            )
        chosen += [item for item in fits if item not in chosen]
    return chosen
