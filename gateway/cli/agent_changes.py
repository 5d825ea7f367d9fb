"""A person's word for what a coding agent wants to change of a project's secrets."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.cli.approval import AgentRefused
from gateway.cli.secret_scope import Scope
from gateway.cli.touch import Action, Gate
from gateway.injection.ancestors import agent_behind_us


def approve_change(scope: Scope, names: Sequence[str], *, command: str, action: str) -> str:
    """Let a command that changes secrets go on for an agent where a person allows it: by a touch
    where keys are enrolled, else by a yes at the terminal. The agent, or "" where none asks, who is
    asked nothing. A refusal is in the journal as the event `action`.

    Raises:
        AgentRefused, TouchDenied, SecurityKeyUnavailable: nobody allowed it.
        Fault: the configuration's policy or the store can't be read.
    """
    if not agent_behind_us():
        return ""
    named = ", ".join(names)
    gate = Gate(
        scope.store,
        scope.journal,
        scope.snapshot.policy(),
        Action(command=command, targets=tuple(names)),
    )
    try:
        return gate.approve(what=f"leave for '{command}' of {named} in project {scope.project}")
    except AgentRefused as refused:
        refused.hint = "run it yourself in a terminal: other programs go by what is kept there"
        scope.journal.record(action, outcome="denied", name=named, reason=str(refused))
        raise
