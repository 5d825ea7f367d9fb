"""Which project of which store a `secret` command is about, and the store opened for it.

The configuration is only looked at, not checked: a list must come at once, and a secret can be set
while other parts of the file are still wrong.
"""

from __future__ import annotations

import argparse
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.audit.files import journal_path
from gateway.audit.journal import Journal
from gateway.cli import output
from gateway.cli.parsers import UsageError
from gateway.config.find import find_config
from gateway.config.mfa import read_mfa
from gateway.config.mfa_policy import MfaConfig
from gateway.config.model import LOCAL_PREFIX, TELEMETRY, RunConfig
from gateway.config.run import read_run
from gateway.config.table import Table
from gateway.errors import ConfigInvalid, ConfigProblem
from identity.errors import InvalidSecretName
from identity.secret_stores.base import OWN_PREFIX, SecretRef, check_project
from identity.secret_stores.guarded import GuardedStore
from identity.secret_stores.open import open_blocking_store

_REFERENCE: Final = re.compile(r"\{secret:([^{}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """An open store, and the project that is meant.

    `routes` has the names of the secrets that the project's routes refer to, for headers or to know
    callers by, with those routes; the exporter of telemetry is among them.
    """

    kind: str
    project: str
    store: GuardedStore
    journal: Journal
    routes: Mapping[str, list[str]] = field(default_factory=dict)

    def ref(self, name: str) -> SecretRef:
        """A secret of the person's. Raises `InvalidSecretName` for one of the program's own."""
        if name.startswith(OWN_PREFIX):
            raise InvalidSecretName(
                f"secret names that begin with {OWN_PREFIX!r} are the program's own",
                hint="choose another name",
            )
        return SecretRef(self.project, name)


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Scope]:
    """The scope that `--config` and `--project` mean; the store is closed at the end.

    Raises:
        Fault: no project is named, the file can't be read, or the store keeps nothing.
    """
    raw, path = look(args, required=args.project is None)
    # Also with --project: which store is used is the configuration's to say, not to be guessed.
    kind = text_of(raw, "secrets", "store") or "keychain"
    if kind == "memory":
        raise UsageError(
            "the memory store ends with its process: there is nothing here to set or read",
            hint='[secrets] store = "keychain" keeps secrets',
        )
    own = text_of(raw, "project")
    project = own if args.project is None else args.project
    check_project(project)
    store = open_blocking_store(
        kind,
        folder=secrets_folder(raw, path),
        # Whoever names a project means it, wherever its configuration is.
        asker=path if args.project is None else None,
        warm_up=True,
        on_prompt=_say_that_it_waits,
    )
    try:
        routes = references(raw) if project == own else {}
        journal = Journal(journal_path(project, os.environ), project=project)
        yield Scope(kind=kind, project=project, store=store, journal=journal, routes=routes)
    finally:
        store.close()


def manifest_of(args: argparse.Namespace) -> RunConfig:
    """`[run]` of the configuration. Raises `ConfigInvalid`, as `opened` does for the rest."""
    raw, path = look(args, required=True)
    problems: list[ConfigProblem] = []
    part = raw.get("run")
    table = Table(part if isinstance(part, dict) else {}, "run", problems)
    manifest = read_run(table, project=text_of(raw, "project"))
    if problems:
        raise ConfigInvalid(str(path), problems)
    return manifest


def policy_of(args: argparse.Namespace) -> MfaConfig:
    """`[mfa]` of the configuration, if there is one; that of another project, which `--project`
    names, is unknown. Raises `ConfigInvalid`: a policy that can't be read is not taken for none.
    """
    raw, path = look(args, required=False)
    problems: list[ConfigProblem] = []
    policy = read_mfa(Table(raw, "", problems).table("mfa"))
    if problems:
        raise ConfigInvalid(str(path), problems)
    named = getattr(args, "project", None)
    is_own = named is None or named == text_of(raw, "project")
    return policy if is_own else MfaConfig(is_unknown=True)


def project_of(args: argparse.Namespace) -> str:
    """The project that `--config` and `--project` mean. Raises as `opened` does."""
    raw, _ = look(args, required=args.project is None)
    project = text_of(raw, "project") if args.project is None else str(args.project)
    check_project(project)
    return project


def look(args: argparse.Namespace, *, required: bool) -> tuple[dict[str, object], Path | None]:
    """The configuration's tables, as far as they can be read, and the file's path.

    Raises:
        UsageError: there is no file, and one is `required`.
        ConfigInvalid: the file that `--config` names is not there, or a file is not TOML.
    """
    try:
        path = find_config(args.config, cwd=Path.cwd(), env=os.environ)
    except ConfigInvalid:
        if args.config is not None:
            raise
        if required:
            raise UsageError(
                "no configuration file says which project is meant",
                hint="pass --project NAME, or run this where devwiz-gw.toml is",
            ) from None
        return {}, None
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), path
    except (OSError, ValueError, RecursionError):
        from gateway.config.load import load

        load(path)  # says what is wrong, and where
        raise


def secrets_folder(raw: Mapping[str, object], path: Path | None) -> Path | None:
    """`secrets.folder` of the configuration at `path`, if it has one."""
    folder = text_of(raw, "secrets", "folder")
    return path.parent / folder if folder and path is not None else None


def text_of(raw: object, *keys: str) -> str:
    """The text at `keys`, or an empty one."""
    for key in keys:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw if isinstance(raw, str) else ""


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


def _say_that_it_waits() -> None:
    output.note("the keychain is locked: waiting for its question to be answered")
