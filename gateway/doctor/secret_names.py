"""Which secrets a configuration names, and for what. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

from gateway.config.join_ways import CredentialRef
from gateway.config.model import (
    TOKEN_PREFIX,
    AllowRule,
    Config,
    FilesSourceConfig,
    FileTokenConfig,
    HeaderTemplate,
    InjectedVariable,
)


def secrets_named(config: Config) -> Mapping[str, tuple[str, ...]]:
    """Each secret's name, with the tables that need it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for owner, name in _named(config):
        if owner not in found[name]:
            found[name].append(owner)
    return {name: tuple(owners) for name, owners in sorted(found.items())}


def _named(config: Config) -> Iterator[tuple[str, str]]:
    parts: list[tuple[str, object]] = [
        ("[identity]", config.identity),
        *((f"[identities.{name}]", table) for name, table in config.identities.items()),
        *((route.name, route) for route in config.routes),
        ("[telemetry]", config.telemetry),
        ("[audit]", config.audit),
        *((f"[tokens.{token.name}]", token) for token in config.tokens),
        ("[run]", config.run.env),
    ]
    for owner, part in parts:
        for name in _in(part):
            yield owner, name
    for name in config.run.secrets:
        yield "[run]", name


def _in(part: object) -> Iterator[str]:
    """The secrets that a part of the configuration refers to, wherever in it."""
    for value in _parts(part):
        match value:
            case CredentialRef() if value.kind == "secret":
                yield value.value
            case HeaderTemplate():
                yield from value.secret_names
            case AllowRule() if value.token:
                yield value.token_secret
            case InjectedVariable():
                names = value.value_names
                yield from (name for name in names if not name.startswith(TOKEN_PREFIX))
            case _:
                pass


def _parts(value: object) -> Iterator[object]:
    """A value of the configuration, and what it is made of."""
    yield value
    if isinstance(value, tuple):
        for item in value:
            yield from _parts(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _parts(getattr(value, field.name))


def credential_files(config: Config) -> frozenset[Path]:
    """The files that hold credentials by themselves: keys and tokens."""
    found: set[Path] = {token.path for token in config.tokens if isinstance(token, FileTokenConfig)}
    for table in (config.identity, *config.identities.values()):
        for source in table.sources:
            if isinstance(source, FilesSourceConfig):
                found.add(source.private_key)
    for part in (config.identity, *config.identities.values(), *config.tokens):
        found.update(
            Path(ref.value)
            for ref in _parts(part)
            if isinstance(ref, CredentialRef) and ref.kind == "file"
        )
    return frozenset(found)
