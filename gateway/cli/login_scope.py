"""What `login` and `logout` work on: the checked configuration, its store and its journal."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.asking import asker_of
from gateway.audit.account import Accounts
from gateway.audit.files import journal_path
from gateway.audit.journal import Journal
from gateway.cli.parsers import UsageError
from gateway.cli.snapshot import Snapshot
from gateway.config.find import find_config
from gateway.config.load import checked_project
from gateway.config.model import ConfiguConfig, ProjectConfig, SupabaseTokenConfig
from gateway.config.project_parts import Part
from gateway.config.reading import read
from identity.secret_stores.base import SecretStore
from identity.secret_stores.open import open_store

if TYPE_CHECKING:
    from gateway.configu.sync import ConfiguSync


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginScope:
    """One project, as its configuration file has it."""

    config: ProjectConfig
    journal: Journal
    env: Mapping[str, str]
    snapshot: Snapshot

    @property
    def project(self) -> str:
        """Whose sessions and keys."""
        return self.config.project

    @property
    def accounts(self) -> Accounts:
        """Who the journal says is signed in."""
        return Accounts(self.journal.path)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[SecretStore]:
        """The project's secret store, closed at the end."""
        secrets = self.config.secrets
        asker = asker_of(self.config.place, self.env)
        store = open_store(secrets.store, folder=secrets.folder, asker=asker)
        try:
            yield store
        finally:
            await store.close()

    def configu(self) -> ConfiguConfig:
        """`[configu]`. Raises `UsageError` where there is none."""
        if self.config.configu is None:
            raise UsageError(
                f"{self.config.path} has no [configu]",
                hint="add one with org and schemas; see docs/operations/configu.md",
            )
        return self.config.configu

    @asynccontextmanager
    async def sync(self) -> AsyncIterator[ConfiguSync]:
        """The project's sync with Configu; its store is closed at the end. Raises `UsageError`."""
        from gateway.configu.open import open_sync

        configu = self.configu()
        async with self.store() as store:
            yield open_sync(configu, self.project, store=store, journal=self.journal, env=self.env)

    def refuse_read_only(self) -> None:
        """Raise `UsageError` where nothing could be kept, before anything is typed."""
        if self.config.secrets.store in {"folder", "memory"}:
            raise UsageError(
                f'the store "{self.config.secrets.store}" keeps nothing that is signed in to',
                hint='[secrets] store = "keychain" or "vault" does',
            )

    def supabase_token(self, name: str | None) -> SupabaseTokenConfig:
        """The token whose session is meant.

        Raises:
            UsageError: there is none of that name; or several, and no `name` is given.
        """
        found = [item for item in self.config.tokens if isinstance(item, SupabaseTokenConfig)]
        named = [item for item in found if name in {None, item.name}]
        if len(named) == 1:
            return named[0]
        if not named:
            what = f"no [tokens.{name}]" if name else "no [tokens.NAME]"
            raise UsageError(
                f'{self.config.path} has {what} with source = "supabase"',
                hint="add one with the project's url and publishable_key",
            )
        names = ", ".join(item.name for item in found)
        raise UsageError("there are several sessions", hint=f"pass --token with one of {names}")


@contextmanager
def opened(args: argparse.Namespace, *parts: Part) -> Iterator[LoginScope]:
    """The scope that `--config` means, with those parts of the file that the command needs. It
    works while the rest is still missing or wrong.

    Raises:
        ConfigInvalid: there is no file, or these can't be used.
    """
    reading = read(find_config(args.config, cwd=Path.cwd(), env=os.environ))
    config = checked_project(reading, parts)
    journal = Journal(journal_path(config.project, os.environ), project=config.project)
    yield LoginScope(config=config, journal=journal, env=os.environ, snapshot=Snapshot.of(reading))
