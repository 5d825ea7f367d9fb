"""Which project of which store a `secret` command is about, and the store opened for it.

What a command needs besides is imported when it is needed: meanwhile the keychain's process starts.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.cli.begun_store import begun
from gateway.cli.parsers import UsageError
from gateway.cli.snapshot import Snapshot, snapshot_of, text_of
from gateway.config.references import LOCAL_PREFIX, TELEMETRY
from identity.secret_stores.base import SecretRef, given_ref
from identity.secret_stores.open import open_blocking_store

if TYPE_CHECKING:
    from gateway.audit.journal import Journal
    from identity.secret_stores.guarded import GuardedStore
    from identity.secret_stores.keychain_helper import KeychainHelper

_REFERENCE: Final = re.compile(r"\{secret:([^{}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """An open store, and the project that is meant.

    `routes` has the names of the secrets that the project's routes refer to, for headers or to know
    callers by, with those routes; the exporter of telemetry is among them. `snapshot` is the
    configuration that all this comes from.
    """

    kind: str
    project: str
    store: GuardedStore
    journal: Journal
    routes: Mapping[str, list[str]] = field(default_factory=dict)
    snapshot: Snapshot = field(default_factory=Snapshot)

    def ref(self, name: str) -> SecretRef:
        """A secret of the person's. Raises `InvalidSecretName` for one of the program's own."""
        return given_ref(self.project, name)


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Scope]:
    """The scope that `--config` and `--project` mean; the store is closed at the end.

    Raises:
        Fault: no project is named, the file can't be read, or the store keeps nothing.
    """
    with opened_by(snapshot_of(args)) as scope:
        yield scope


@contextmanager
def opened_by(snapshot: Snapshot) -> Iterator[Scope]:
    """The scope that a configuration means. Raises as `opened` does."""
    with begun(snapshot) as helper, opened_with(helper, snapshot) as scope:
        yield scope


@contextmanager
def opened_with(helper: KeychainHelper | None, snapshot: Snapshot) -> Iterator[Scope]:
    """The scope that a configuration means, whose store was `begun`. Raises as `opened` does."""
    from gateway.asking import asker_of
    from gateway.audit.files import journal_path
    from gateway.audit.journal import Journal

    kind = snapshot.store
    if kind == "memory":
        raise UsageError(
            "the memory store ends with its process: there is nothing here to set or read",
            hint='[secrets] store = "keychain" keeps secrets',
        )
    project = snapshot.project
    store = open_blocking_store(
        kind,
        folder=snapshot.secrets_folder,
        # Whoever names a project means it, wherever its configuration is.
        asker=asker_of(snapshot.place if snapshot.named is None else None, os.environ),
        helper=helper,
    )
    try:
        yield Scope(
            kind=kind,
            project=project,
            store=store,
            journal=Journal(journal_path(project, os.environ), project=project),
            routes=references(snapshot.raw) if project == snapshot.own else {},
            snapshot=snapshot,
        )
    finally:
        store.close()


def references(raw: Mapping[str, object]) -> dict[str, list[str]]:
    """The secrets that routes, the exporter of telemetry and token sources refer to, by whom."""
    found: dict[str, list[str]] = {}
    for owner, names in _named(raw):
        for name in dict.fromkeys(names):
            found.setdefault(name, []).append(owner)
    return found


def _named(raw: Mapping[str, object]) -> Iterator[tuple[str, list[str]]]:
    """The secrets that are named, by whom."""
    for route in _tables(raw, "routes"):
        tokens = [text_of(rule, "token") for rule in _tables(route, "allow")]
        local = [LOCAL_PREFIX + token for token in tokens if token]
        yield text_of(route, "name"), _in_headers(_table(route, "headers")) + local
    yield TELEMETRY, _in_headers(_table(raw.get("telemetry"), "otlp_headers"))
    for name, forward in _table(_table(raw, "audit"), "forward").items():
        yield f"[audit.forward.{name}]", _in_headers(_table(forward, "headers"))
    sources = _table(raw, "tokens")
    for name in sources:
        keys = ("client_secret_secret", "subject_token_secret")
        named = [text_of(sources, name, key) for key in keys]
        yield f"[tokens.{name}]", [text for text in named if text]


def _in_headers(headers: Mapping[str, object]) -> list[str]:
    return _REFERENCE.findall(" ".join(map(str, headers.values())))


def _tables(raw: object, key: str) -> list[object]:
    value = raw.get(key) if isinstance(raw, dict) else None
    return value if isinstance(value, list) else []


def _table(raw: object, key: str) -> Mapping[str, object]:
    inner = raw.get(key) if isinstance(raw, dict) else None
    return inner if isinstance(inner, dict) else {}
