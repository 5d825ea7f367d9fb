"""Keeping a secret, sealed where it is to be, or was."""

from __future__ import annotations

from gateway.cli.secret_scope import Scope
from gateway.cli.touch import load_keys
from identity.errors import SecretDamaged, SecretNotFound, SecurityKeyUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.guarded import is_sealed


def keep(scope: Scope, ref: SecretRef, value: Secret, *, seal: bool) -> bool:
    """Keep the value; whether it was sealed. What was sealed stays so. Sealing takes no touch.

    Raises:
        SecurityKeyUnavailable: it is to be sealed, and there are not enough keys to be sure that
            it can be opened again.
        Fault: what the store raises.
    """
    if not seal and not _was_sealed(scope, ref):
        scope.store.set(ref, value)
        return False
    keys = load_keys(scope.store, scope.project)
    if keys is None or not keys.is_enough:
        raise SecurityKeyUnavailable(
            "a sealed secret would be lost with one security key",
            hint="enrol two ('devwiz-gw mfa add'), or one and a recovery code ('mfa recovery')",
        )
    from identity.mfa.sealed import seal as sealed

    scope.store.set_sealed(ref, Secret(sealed(value.reveal(), ref, keys.public)))
    return True


def _was_sealed(scope: Scope, ref: SecretRef) -> bool:
    try:
        return is_sealed(scope.store.sealed(ref))
    except (SecretNotFound, SecretDamaged):
        return False
