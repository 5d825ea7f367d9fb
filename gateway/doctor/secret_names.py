"""Which secrets a configuration names, and for what. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass

from gateway.config.join_ways import CredentialRef
from gateway.config.model import TOKEN_PREFIX, AllowRule, Config, HeaderTemplate, InjectedVariable


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


def _in(value: object) -> Iterator[str]:
    """The secrets that a part of the configuration refers to, wherever in it."""
    match value:
        case CredentialRef():
            yield from (value.value,) if value.kind == "secret" else ()
        case HeaderTemplate():
            yield from value.secret_names
        case AllowRule():
            yield from (value.token_secret,) if value.token else ()
        case InjectedVariable():
            yield from (name for name in value.value_names if not name.startswith(TOKEN_PREFIX))
        case str():
            return
        case Iterable():
            for item in value:
                yield from _in(item)
        case _ if is_dataclass(value):
            for field in fields(value):
                yield from _in(getattr(value, field.name))
        case _:
            return
