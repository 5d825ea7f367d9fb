"""Tokens for a program: asked for by the command itself, with no gateway in between."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.asking import asker_of
from gateway.audit.journal import Journal
from gateway.cli.snapshot import Snapshot
from gateway.config.model import TOKEN_PREFIX, TokenConfig
from gateway.config.table import Table
from gateway.config.tokens import read_tokens
from gateway.errors import ConfigProblem, GatewayError
from gateway.token_sources import TokenOpener
from identity.fault import Fault
from identity.secret_stores.open import open_store


class TokenMissing(GatewayError):
    """A token that a program is to get can't be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tokens:
    """The configuration's tokens, and where their sources find what they need."""

    project: str
    known: Mapping[str, TokenConfig]
    store: str
    folder: Path | None
    place: Path | None

    async def fetch(self, names: Sequence[str], journal: Journal) -> dict[str, str]:
        store = open_store(self.store, folder=self.folder, asker=asker_of(self.place, os.environ))
        try:
            opener = TokenOpener(store=store, journal=journal, env=os.environ)
            return {TOKEN_PREFIX + name: await self._token(name, opener) for name in names}
        finally:
            await store.close()

    async def _token(self, name: str, opener: TokenOpener) -> str:
        try:
            source = opener(self.known[name], self.project)
            try:
                return (await source.fetch()).value.reveal()
            finally:
                await source.close()
        except Fault as error:
            problem = f"the token {name} can't be had: {error}"
            raise TokenMissing(problem, hint=error.hint) from error


def fresh_tokens(names: Sequence[str], snapshot: Snapshot, journal: Journal) -> dict[str, str]:
    """The tokens, by their names with the prefix. A session is refreshed under the lock that a
    running gateway takes too.

    Raises:
        ConfigInvalid: a table is malformed, or there is none of that name.
        TokenMissing: a source gives none.
    """
    tokens = _configured(names, snapshot)
    return asyncio.run(tokens.fetch(names, journal))


def _configured(names: Sequence[str], snapshot: Snapshot) -> _Tokens:
    path, project = snapshot.path or Path(), snapshot.own
    problems: list[ConfigProblem] = []
    table = Table(snapshot.raw, "", problems).table("tokens")
    known = {item.name: item for item in read_tokens(table, base=path.parent, project=project)}
    for name in names:
        if name not in known and not problems:
            hint = f"add a table [tokens.{name}] that says where it comes from"
            problems.append(ConfigProblem("run.env", f"there is no token {name!r}", hint))
    snapshot.refuse(problems)
    return _Tokens(
        project=project,
        known=known,
        store=snapshot.store,
        folder=snapshot.secrets_folder,
        place=snapshot.place,
    )
