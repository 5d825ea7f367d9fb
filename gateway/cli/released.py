"""Values for programs: a person's word where an agent asks, a line in the journal, the value."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from gateway.audit.event import Event
from gateway.cli.approval import AgentRefused, approve_for_agent
from gateway.cli.secret_scope import Scope
from gateway.config.model import TOKEN_PREFIX, InjectedVariable


def released(
    scope: Scope,
    chosen: Sequence[InjectedVariable],
    *,
    program: str,
    delivery: str,
    args: argparse.Namespace,
) -> dict[str, str]:
    """The variables' values; each secret and token is in the journal before it is released. `args`
    is the command line that `scope` was opened for.

    Raises:
        AgentRefused: an agent asks, and nobody at the terminal allowed it.
        Fault: a value can't be had, or the journal can't be written.
    """
    agent = approved(scope, chosen, program=program)
    values: dict[str, str] = {}
    for item in chosen:
        for name in item.value_names:
            if name not in values and not name.startswith(TOKEN_PREFIX):
                values[name] = scope.store.get(scope.ref(name)).reveal()
            scope.journal.write(
                Event(
                    action="secret.inject",
                    outcome="ok",
                    name=name,
                    reason=program,
                    more={"variable": item.name, "delivery": delivery, "agent": agent},
                )
            )
    if tokens := {name for item in chosen for name in item.token_names}:
        from gateway.cli.released_tokens import fresh_tokens

        values |= fresh_tokens(sorted(tokens), args, scope.journal)
    return {item.name: item.filled(values) for item in chosen}


def approved(scope: Scope, chosen: Sequence[InjectedVariable], *, program: str) -> str:
    """The agent that asks, allowed by a person, or "". Raises `AgentRefused`."""
    what = ", ".join(item.name for item in chosen)
    if not what:
        return ""
    try:
        return approve_for_agent(f"{what} in {program}", environ=os.environ)
    except AgentRefused as refused:
        scope.journal.record("secret.inject", outcome="denied", name=what, reason=str(refused))
        raise
