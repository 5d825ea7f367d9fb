"""Touches for commands that are about no secret of the project's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.cli.approval import AgentRefused
from gateway.cli.secret_scope import opened_by
from gateway.cli.snapshot import Snapshot
from gateway.cli.touch import Action, Gate
from gateway.injection.ancestors import agent_behind_us

#: What the journal calls it that nobody allowed an agent's command.
AGENT_REFUSED: Final = "agent.refused"


def demand_touch(
    snapshot: Snapshot, action: Action, *, what: str = "", sign_in: bool = False
) -> None:
    """Ask for a touch where the configuration's policy demands one; `sign_in` is for commands that
    begin a session. An agent needs a person's word for `what`: see `Gate.approve`.

    Raises:
        TouchDenied, SecurityKeyUnavailable: a touch is demanded, and there was none.
        AgentRefused: an agent asks, and nobody allowed it.
        Fault: the configuration or the store can't be read.
    """
    policy = snapshot.policy()
    demanded = sign_in and policy.sign_in
    wanted = demanded or policy.wants(action.command, action.names)
    if not wanted and not (what and agent_behind_us()):
        return
    # The configuration's own project: another one is nobody's to name here.
    with opened_by(replace(snapshot, named=None)) as scope:
        try:
            Gate(scope.store, scope.journal, policy, action).approve(what=what, sign_in=demanded)
        except AgentRefused as refused:
            name = ", ".join(action.targets or action.names)
            scope.journal.record(AGENT_REFUSED, outcome="denied", name=name, reason=str(refused))
            raise
