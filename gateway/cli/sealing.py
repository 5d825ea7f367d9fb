"""Keeping a secret, sealed where it is to be, or was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.secret_scope import Scope
from gateway.cli.touch import load_keys
from identity.errors import SecretDamaged, SecretNotFound, SecurityKeyUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.guarded import is_sealed

if TYPE_CHECKING:
    from identity.mfa.enrolled import EnrolledKeys


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
    keys = keys_to_seal(scope)
    from identity.mfa.sealed import seal as sealed

    scope.store.set_sealed(ref, Secret(sealed(value.reveal(), ref, keys.public)))
    return True


def keys_to_seal(scope: Scope) -> EnrolledKeys:
    """What values are sealed for, and enough of it. Raises as `keep` does."""
    keys = load_keys(scope.store, scope.project)
    if keys is None or not keys.is_enough:
        raise SecurityKeyUnavailable(
            "a sealed secret would be lost with one security key"
            if keys
            else f"project {scope.project} has no security key to seal it for",
            hint="enrol two ('devwiz-gw mfa add'), or one and a recovery code ('mfa recovery')",
        )
    return keys


def _was_sealed(scope: Scope, ref: SecretRef) -> bool:
    try:
        return is_sealed(scope.store.sealed(ref))
    except (SecretNotFound, SecretDamaged):
        return False
