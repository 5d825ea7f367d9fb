"""What the commands of `mfa` work on: the project's keys, and the way to change them."""

from __future__ import annotations

import argparse
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.audit.event import Event
from gateway.audit.journal import Journal
from gateway.cli.secret_scope import Scope
from gateway.cli.secret_scope import opened as opened_secrets
from gateway.cli.touch import Action, Gate, load_keys
from gateway.cli.vault_answers import ask
from gateway.config.mfa_policy import MfaConfig
from identity.errors import SecurityKeyUnavailable, TouchDenied
from identity.lock_file import open_lock_file
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

    def change(self, keys: EnrolledKeys, event: Event) -> None:
        """Keep changed keys, and tell of it first.

        Raises:
            TouchDenied: another command has changed them since this one has begun. A person takes
                long to touch, and what was removed meanwhile must not come back.
            AuditFailed: it can't be told, and nothing was changed.
        """
        with _alone(self.journal.path.with_name("mfa.lock")):
            if load_keys(self.inner.store, self.project) != self.keys:
                raise TouchDenied(
                    "the project's security keys were changed by another command meanwhile",
                    hint="nothing was changed; see 'devwiz-gw mfa list', and begin again",
                )
            self.journal.write(event)
            self.inner.store.set(keys_ref(self.project), Secret(encode(keys)))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    try:
        fd = open_lock_file(path)
    except OSError as error:
        raise SecurityKeyUnavailable(
            f"{path} can't be locked: {(error.strerror or '').lower()}",
            hint="check the folder's mode and the free space",
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


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
