"""Secrets from Configu that are too old to be given to a program."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Final

from gateway.cli.secret_scope import Scope, look
from gateway.errors import GatewayError

Check = Callable[[str, str], None]

_USUAL_S: Final = 86_400.0


class SecretTooOld(GatewayError):
    """Configu hasn't answered for longer than its values may be used."""


def bound(scope: Scope, args: argparse.Namespace) -> Check:
    """What is called with a secret's name and value, and raises `SecretTooOld`.

    It costs a look into a small file; only when that is old, the store is asked what came from
    Configu. A configuration without `[configu]` costs nothing.
    """
    raw, _ = look(args, required=False)
    table = raw.get("configu")
    if not isinstance(table, dict) or raw.get("project") != scope.project:
        return _nothing
    from datetime import UTC, datetime

    from gateway.configu.contact_file import read_contact
    from gateway.configu.open import contact_path

    told = table.get("max_offline_s", _USUAL_S)
    most_s = float(told) if isinstance(told, int | float) else 0.0
    contact = read_contact(contact_path(scope.project, os.environ))
    why = contact.too_old(datetime.now(UTC), most_s)
    return _refusing(scope, why) if why else _nothing


def _nothing(_name: str, _value: str) -> None:
    """All may be used."""


def _refusing(scope: Scope, why: str) -> Check:
    from identity.configu.sync_state import decode, state_ref
    from identity.errors import SecretNotFound

    try:
        state = decode(scope.store.get(state_ref(scope.project)))
    except SecretNotFound:
        return _nothing

    def check(name: str, value: str) -> None:
        if name not in state.synced:
            return
        item = state.synced[name]
        if state.fingerprint(name, value) in {item.value, item.coming}:
            scope.journal.record("secret.inject", outcome="denied", name=name, reason=why)
            raise SecretTooOld(
                f"the secret {name} is too old to be used: {why}",
                hint="run: devwiz-gw sync, when Configu can be reached",
            )

    return check
