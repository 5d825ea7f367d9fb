"""`[identity.issuer]`: the issuer that ships with this program, and the ways to join it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from certs.sources.token_url import is_token_url
from gateway.config.credentials import Place, credential_named
from gateway.config.join_ways import (
    BoundKeyConfig,
    CommandToken,
    CredentialRef,
    IdTokenConfig,
    TokenSource,
    UrlToken,
)
from gateway.config.model import DEFAULT_IDENTITY, IdentityConfig, IssuerSourceConfig
from gateway.config.table import Rejected, Table
from gateway.errors import ConfigProblem

_PLACES: Final = ("file", "env", "secret")

_CA_PIN: Final = re.compile(r"sha256:[0-9a-f]{64}")
_RULE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_BOUND: Final = ("bound_rule", *(f"bound_key_{where}" for where in _PLACES))
_REGISTRATION: Final = tuple(f"registration_{where}" for where in _PLACES)
_TOKEN_PLACES: Final = (
    *(f"id_token_{where}" for where in _PLACES),
    "id_token_url",
    "id_token_command",
)


def read_issuer(table: Table, place: Place, *, url: str) -> IssuerSourceConfig:
    """The table, whose `url` was read already; problems are noted in it."""
    pins: list[str] = []
    if table.required("ca_pin", '"sha256:…", the issuer\'s CA pin as `issuer init` printed it'):
        pins = [pin for _, pin in table.converted_list("ca_pin", _ca_pin, single=True)]
        if table.holds_nothing("ca_pin"):
            table.problem("ca_pin", "is empty", "the issuer's CA pin, or several")
    first, *others = pins or [""]
    config = IssuerSourceConfig(
        url=url,
        ca_pin=first,
        other_ca_pins=tuple(others),
        token=credential_named(table, place, ("token",)),
        bound_key=_bound_key(table, place),
        id_token=_id_token(table, place),
    )
    table.finish()
    return config


def refuse_shared_keys(tables: Mapping[str, IdentityConfig], store: str) -> list[ConfigProblem]:
    """A problem for each bound key that two identities name, and for each whose store can't keep
    it.
    """
    holders: dict[CredentialRef, str] = {}
    problems = []
    for name, identity in tables.items():
        at = "identity.issuer" if name == DEFAULT_IDENTITY else f"identities.{name}.issuer"
        for source in identity.sources:
            if not isinstance(source, IssuerSourceConfig) or source.bound_key is None:
                continue
            key = source.bound_key.key
            # The join state is kept beside the key: one in two hands looks like a copied one.
            holder = holders.setdefault(key, name)
            if holder != name:
                message = f"{key.value} is the bound key of the identity {holder}"
                hint = "give each a key, and a join rule, of its own: two that share one are locked"
                problems.append(ConfigProblem(f"{at}.bound_key_{key.kind}", message, hint))
            if store == "folder" and key.kind == "secret":
                message = 'the store "folder" keeps no new values, and so no bound key'
                hint = '[secrets] store = "keychain" or "vault" does'
                problems.append(ConfigProblem(f"{at}.bound_key_{key.kind}", message, hint))
    return problems


def _bound_key(table: Table, place: Place) -> BoundKeyConfig | None:
    table.know(*_BOUND, *_REGISTRATION)
    key = credential_named(table, place, ("bound_key",))
    registration = credential_named(table, place, ("registration",))
    rule = table.converted("bound_rule", _rule) or ""
    if not any(name in table for name in (*_BOUND, *_REGISTRATION)):
        return None
    if "bound_rule" not in table:
        table.problem("bound_rule", "is missing", "the name of the issuer's join rule")
    if not any(name in table for name in _BOUND[1:]):
        table.problem(
            "bound_key_secret", "is missing", "the name of the secret that holds this machine's key"
        )
    if key is not None and key.kind != "secret" and registration is not None:
        name = next(name for name in _REGISTRATION if name in table)
        table.problem(
            name, "registers a key that is made here", "keep the key with bound_key_secret"
        )
    return None if key is None else BoundKeyConfig(rule=rule, key=key, registration=registration)


def _id_token(table: Table, place: Place) -> IdTokenConfig | None:
    rule = table.converted("token_rule", _rule) or ""
    source = _token_source(table, place)
    given = [name for name in _TOKEN_PLACES if name in table]
    for name in given[1:]:
        # Two of the first three are told of where they are read.
        if name in _TOKEN_PLACES[len(_PLACES) :]:
            table.problem(name, f"the token is named by {given[0]} already", "keep one of them")
    if "token_rule" not in table and not given:
        return None
    if "token_rule" not in table:
        table.problem("token_rule", "is missing", "the name of the issuer's join rule")
    if not given:
        table.problem(
            _TOKEN_PLACES[0], "is missing", f"give this or one of {', '.join(_TOKEN_PLACES[1:])}"
        )
    return None if source is None else IdTokenConfig(rule=rule, source=source)


def _token_source(table: Table, place: Place) -> TokenSource | None:
    stored = credential_named(table, place, ("id_token",))
    bearer = credential_named(table, place, ("id_token_bearer",))
    member = table.text("id_token_member")
    url = table.converted("id_token_url", _token_url)
    headers = _headers(table.table("id_token_headers"))
    command = tuple(text for _, text in table.texts("id_token_command"))
    if table.holds_nothing("id_token_command"):
        table.problem("id_token_command", "is empty", "the program and its arguments")
    if "id_token_url" not in table:
        for name in ("id_token_headers", *(f"id_token_bearer_{where}" for where in _PLACES)):
            if name in table:
                table.problem(name, "goes with id_token_url", "add that, or leave this out")
    if "id_token_member" in table and not {"id_token_url", "id_token_command"} & set(
        table.entries()
    ):
        hint = "add one of them, or leave this out"
        table.problem("id_token_member", "goes with id_token_url or id_token_command", hint)
    if url is not None:
        return UrlToken(url=url, headers=headers, bearer=bearer, member=member)
    return CommandToken(arguments=command, member=member) if command else stored


def _headers(table: Table) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for name in table.entries():
        value = table.text(name)
        if not _HEADER.fullmatch(name) or not value.isascii():
            table.problem(name, "is not a header", "a name and a value in ASCII")
        elif name.lower() == "authorization":
            table.problem(
                name, "has no place in a file", "name the token with id_token_bearer_secret"
            )
        else:
            found.append((name, value))
    table.finish()
    return tuple(found)


def _token_url(text: str) -> str:
    if not is_token_url(text):
        raise Rejected(
            "is not an address for tokens",
            "use https; http only for this machine and a cloud's metadata server",
        )
    return text


def _rule(text: str) -> str:
    if not _RULE.fullmatch(text):
        raise Rejected("is not the name of a join rule", "as 'devwiz-gw issuer rules' lists it")
    return text


def _ca_pin(text: str) -> str:
    pin = text.lower()
    if not _CA_PIN.fullmatch(pin):
        raise Rejected("is not a pin", 'write "sha256:" and 64 hexadecimal digits')
    return pin
