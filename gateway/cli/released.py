"""Values for programs: a person's word where an agent asks, a line in the journal, the value."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.audit.event import Event
from gateway.audit.fingerprint import Fingerprints
from gateway.cli.approval import AgentRefused
from gateway.cli.configu_bound import bound
from gateway.cli.secret_scope import Scope
from gateway.cli.touch import Action, Gate
from gateway.config.references import TOKEN_PREFIX
from gateway.config.run_model import InjectedVariable


def released(
    scope: Scope,
    chosen: Sequence[InjectedVariable],
    *,
    program: str,
    delivery: str,
    argv: Sequence[str] = (),
    parts: set[str] | None = None,
) -> dict[str, str]:
    """The variables' values; each secret and token is in the journal before it is released. `argv`
    is the program's command line. One touch, where touches are demanded or a secret is sealed, is
    for all of them. The values of the secrets and tokens themselves are added to `parts`.

    Raises:
        SecretTooOld, SteeredFromElsewhere: see `configu_bound`.
        AgentRefused: an agent asks, and nobody at the terminal allowed it.
        TouchDenied, SecurityKeyUnavailable: a touch is needed, and there was none.
        Fault: a value can't be had, or the journal can't be written.
    """
    gate = gate_of(scope, chosen, argv=argv)
    agent = approved(gate, scope, chosen, program=program)
    marks = Fingerprints(scope.journal.path.parent)
    values: dict[str, str] = {}
    check = bound(scope)
    for item in chosen:
        for name in item.value_names:
            more = {"variable": item.name, "delivery": delivery, "agent": agent}
            if not name.startswith(TOKEN_PREFIX):
                if name not in values:
                    values[name] = gate.read(scope.ref(name)).reveal()
                check(item.name, name, values[name])
                more["fingerprint"] = marks.of(values[name])
            scope.journal.write(
                Event(
                    action="secret.inject",
                    outcome="ok",
                    name=name,
                    reason=program,
                    more=more,
                )
            )
    if tokens := {name for item in chosen for name in item.token_names}:
        from gateway.cli.released_tokens import fresh_tokens

        values |= fresh_tokens(sorted(tokens), scope.snapshot, scope.journal)
    if parts is not None:
        parts.update(values.values())
    return {item.name: item.filled(values) for item in chosen}


def approved(gate: Gate, scope: Scope, chosen: Sequence[InjectedVariable], *, program: str) -> str:
    """The agent that asks, allowed by a person, or "". Raises as `Gate.approve` does."""
    what = ", ".join(item.name for item in chosen)
    if not what:
        return ""
    try:
        return gate.approve(what=f"{what} in {program}")
    except AgentRefused as refused:
        scope.journal.record("secret.inject", outcome="denied", name=what, reason=str(refused))
        raise


def gate_of(
    scope: Scope,
    chosen: Sequence[InjectedVariable],
    *,
    argv: Sequence[str] = (),
) -> Gate:
    """The way to the values; see `released`. Raises `ConfigInvalid` for a malformed policy."""
    targets = tuple(dict.fromkeys(name for item in chosen for name in item.value_names))
    secrets = tuple(name for name in targets if not name.startswith(TOKEN_PREFIX))
    action = Action(command="run", names=secrets, targets=targets, argv=tuple(argv))
    return Gate(scope.store, scope.journal, scope.snapshot.policy(), action)
