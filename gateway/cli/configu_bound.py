"""Secrets from Configu that a program may not get: too old ones, and those that would steer it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import cached_property
from typing import TYPE_CHECKING

from gateway.cli.secret_scope import Scope
from gateway.cli.snapshot import Snapshot
from gateway.config.variable_names import steering_of
from gateway.errors import ConfigProblem, GatewayError

if TYPE_CHECKING:
    from identity.configu.sync_state import SyncState

#: Called with the name of a variable, and with the name and value of a secret that is put into it.
Check = Callable[[str, str, str], None]


class SecretTooOld(GatewayError):
    """Configu hasn't answered for longer than its values may be used."""


class SteeredFromElsewhere(GatewayError):
    """A value from Configu would decide where a program's traffic goes, or whom it trusts."""


def bound(scope: Scope) -> Check:
    """What raises `SecretTooOld` and `SteeredFromElsewhere`.

    It costs a look into a small file; only when that is old, or for a variable that steers
    programs, the store is asked what came from Configu. Without `[configu]` it costs nothing.

    Raises:
        ConfigInvalid: `[run]` or the bound can't be read, which is not taken for none.
    """
    snapshot = scope.snapshot
    if "configu" not in snapshot.raw or snapshot.own != scope.project:
        return _nothing
    from datetime import UTC, datetime

    from gateway.configu.contact_file import read_contact
    from gateway.configu.open import contact_path

    most_s = _most_s(snapshot)
    contact = read_contact(contact_path(scope.project, os.environ))
    why = contact.too_old(datetime.now(UTC), most_s)
    return _FromConfigu(scope, why, snapshot.manifest().dangerous).check


def _most_s(snapshot: Snapshot) -> float:
    from gateway.config.configu import max_offline_s
    from gateway.config.table import Table

    problems: list[ConfigProblem] = []
    most_s = max_offline_s(Table(snapshot.raw, "", problems).table("configu"))
    snapshot.refuse(problems)
    return most_s


def _nothing(_variable: str, _name: str, _value: str) -> None:
    """All may be used."""


class _FromConfigu:
    """`why` its values are too old, or ""; `allowed` are the variables that they may steer by."""

    def __init__(self, scope: Scope, why: str, allowed: Collection[str]) -> None:
        self._scope = scope
        self._why = why
        self._allowed = allowed

    def check(self, variable: str, name: str, value: str) -> None:
        """See `bound`."""
        danger = "" if variable in self._allowed else steering_of(variable)
        if not (self._why or danger) or not self._is_taken(name, value):
            return
        reason = self._why or f"from Configu: {variable} {danger}"
        self._scope.journal.record("secret.inject", outcome="denied", name=name, reason=reason)
        if self._why:
            raise SecretTooOld(
                f"the secret {name} is too old to be used: {self._why}",
                hint="run: devwiz-gw sync, when Configu can be reached",
            )
        raise SteeredFromElsewhere(
            f"{variable} {danger}, and the secret {name} in it comes from Configu",
            hint=f'if that is meant so: allow_dangerous = ["{variable}"] under [run]',
        )

    def _is_taken(self, name: str, value: str) -> bool:
        """Whether the value is one that was taken from Configu, and nobody set it since."""
        state = self._state
        if state is None or name not in state.synced:
            return False
        item = state.synced[name]
        return state.fingerprint(name, value) in {item.value, item.coming}

    @cached_property
    def _state(self) -> SyncState | None:
        from identity.configu.sync_state import decode, state_ref
        from identity.errors import SecretNotFound

        try:
            return decode(self._scope.store.get(state_ref(self._scope.project)))
        except SecretNotFound:
            return None
