"""A touch before the vault is unlocked, by the keys that are in it."""

from __future__ import annotations

import argparse
import os

from gateway.audit.files import journal_path
from gateway.audit.journal import Journal
from gateway.cli.touch import Action, Gate
from gateway.cli.vault_scope import Opened, Scope
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.vault.vault import Vault

#: Slots that take a touch already, or stand in for a lost key.
_ENOUGH = ("fido2", "recovery")


def demand_touch_to_unlock(args: argparse.Namespace, scope: Scope, opened: Opened) -> None:
    """Ask for a touch where the configuration demands one, unless the slot that opened the vault
    is a security key's or the recovery code's.

    Raises:
        TouchDenied, SecurityKeyUnavailable: there was none.
    """
    policy = scope.snapshot.policy()
    if args.kind in _ENOUGH or not policy.wants("vault unlock", ()):
        return
    journal = Journal(journal_path(scope.project, os.environ), project=scope.project)
    action = Action(command="vault unlock", targets=(str(scope.place.folder),))
    Gate(_OpenVault(opened.vault), journal, policy, action).approve()


class _OpenVault:
    """Where the gate finds the project's keys: the vault that only this process has open."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def sealed(self, ref: SecretRef) -> Secret:
        return self._vault.get(ref)

    def set(self, ref: SecretRef, value: Secret) -> None:
        self._vault.set(ref, value)
