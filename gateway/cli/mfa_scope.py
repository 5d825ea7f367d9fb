"""What the commands of `mfa` work on: the project's keys, and the way to change them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gateway.audit.journal import Journal
from gateway.cli.secret_scope import Scope
from gateway.cli.secret_scope import opened as opened_secrets
from gateway.cli.touch import Action, Gate, load_keys
from gateway.cli.vault_answers import ask
from gateway.config.mfa_policy import MfaConfig
from identity.errors import SecurityKeyUnavailable, TouchDenied
from identity.mfa.enrolled import EnrolledKeys, KeysDamaged, Lock, encode, keys_ref, open_by_code
from identity.secret_stores.base import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaScope:
    """A project's security keys (None: it never had any), for one command."""

    keys: EnrolledKeys | None
    command: str
    by_code: bool
    policy: MfaConfig
    inner: Scope

    @property
    def project(self) -> str:
        """Whose keys."""
        return self.inner.project

    @property
    def journal(self) -> Journal:
        """Where each change is told first."""
        return self.inner.journal

    @property
    def enrolled(self) -> EnrolledKeys:
        """The keys. Raises `SecurityKeyUnavailable` where there never were any."""
        if self.keys is None:
            raise SecurityKeyUnavailable(
                f"project {self.project} has no security key", hint="run: devwiz-gw mfa add"
            )
        return self.keys

    def let_in(self, *targets: str) -> Lock:
        """The project's lock, by a touch or the recovery code, which is on record; `targets` is
        what is about to be changed.

        Raises:
            TouchDenied, SecurityKeyUnavailable: neither was there.
        """
        keys = self.enrolled
        if not self.by_code:
            action = Action(command=self.command, targets=targets)
            return Gate(self.inner.store, self.journal, self.policy, action).touch_now()
        try:
            lock = open_by_code(keys, self.project, ask("recovery code: ").reveal())
        except KeysDamaged:
            self.journal.record(
                "mfa.recover", outcome="denied", name=", ".join(targets), reason=self.command
            )
            raise TouchDenied("that is not the recovery code", hint="nothing was changed") from None
        self.journal.record(
            "mfa.recover", outcome="ok", name=", ".join(targets), reason=self.command
        )
        return lock

    def touch_ahead(self, action: Action, within_s: int) -> None:
        """Have `action` approved for later; see `Gate.touch_ahead`."""
        policy = replace(self.policy, within_s=within_s)
        Gate(self.inner.store, self.journal, policy, action).touch_ahead()

    def keep(self, keys: EnrolledKeys) -> None:
        """Keep changed keys."""
        self.inner.store.set(keys_ref(self.project), Secret(encode(keys)))


@contextmanager
def opened(args: argparse.Namespace, command: str) -> Iterator[MfaScope]:
    """The scope that `--config` and `--project` mean. Raises as `secret_scope.opened` does."""
    with opened_secrets(args) as scope:
        yield MfaScope(
            keys=load_keys(scope.store, scope.project),
            command=command,
            by_code=getattr(args, "recovery", False),
            policy=scope.snapshot.policy(),
            inner=scope,
        )
