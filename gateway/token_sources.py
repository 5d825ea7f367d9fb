"""From a `[tokens.NAME]` table to the source that it names; no other one is imported."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from gateway.audit.account import Accounts
from gateway.audit.files import state_folder
from gateway.audit.journal import Journal
from gateway.config.model import (
    ClientCredentialsConfig,
    CredentialRef,
    ExecTokenConfig,
    FileTokenConfig,
    GoogleTokenConfig,
    OAuthClientConfig,
    SupabaseTokenConfig,
    TokenConfig,
    TokenExchangeConfig,
)
from gateway.credentials import ReadCredential, reader_of
from gateway.errors import StartFailed
from identity.errors import TokenEnded, TokenUnavailable
from identity.secret_stores.base import Secret, SecretStore
from identity.token_sources.base import KeepingSource, Token, TokenSource

if TYPE_CHECKING:
    from identity.supabase.auth_api import AuthApi
    from identity.token_sources.call import Caller
    from identity.token_sources.oauth import Client, Wish


class SignedInSource:
    """A `KeepingSource` of a session: when that is over, the journal stops naming who began it."""

    def __init__(self, source: KeepingSource, accounts: Accounts, name: str) -> None:
        self._source = source
        self._accounts = accounts
        self._name = name

    def refused(self, value: Secret) -> None:
        """See `KeepingSource.refused`."""
        self._source.refused(value)

    async def fetch(self) -> Token:
        """See `TokenSource.fetch`."""
        try:
            return await self._source.fetch()
        except TokenEnded:
            # A line with a name too many is no reason to lose sight of why the session ended.
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._accounts.sign_out, self._name)
            raise

    async def close(self) -> None:
        """See `TokenSource.close`."""
        await self._source.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOpener:
    """Opens token sources, as the control plane wants them opened."""

    store: SecretStore
    journal: Journal
    env: Mapping[str, str]

    def __call__(self, wanted: TokenConfig, project: str) -> TokenSource:
        """The source that a table of the project sets up. Raises `Fault` where it is unusable."""
        match wanted:
            case SupabaseTokenConfig():
                return self._supabase(wanted, project)
            case ClientCredentialsConfig():
                from identity.token_sources.oauth import ClientCredentials

                return ClientCredentials(
                    _caller(wanted),
                    self._client(wanted.client, project),
                    _wish(wanted),
                    now=now,
                )
            case TokenExchangeConfig():
                from identity.token_sources.oauth import TokenExchange

                client = wanted.client
                return TokenExchange(
                    _caller(wanted),
                    self._client(client, project) if client is not None else None,
                    _wish(wanted),
                    read_subject=self._reader(wanted.subject, project),
                    subject_type=wanted.subject_type,
                    requested_type=wanted.requested_type,
                    now=now,
                )
            case GoogleTokenConfig():
                return _google(wanted)
            case ExecTokenConfig():
                return self._exec(wanted)
            case FileTokenConfig():
                from identity.token_sources.token_file import TokenFile

                return TokenFile(wanted.path)
            case _:
                assert_never(wanted)

    def _supabase(self, wanted: SupabaseTokenConfig, project: str) -> TokenSource:
        from identity.supabase.access_tokens import AccessTokens
        from identity.supabase.session import session_ref
        from identity.supabase.source import SupabaseSource

        api = auth_api(wanted)
        source = SupabaseSource(
            api,
            AccessTokens(api, audience=wanted.audience, now=now),
            self.store,
            session_ref(project, wanted.name),
            lock=session_lock(project, wanted.name, self.env),
            now=now,
        )
        return SignedInSource(source, Accounts(self.journal.path), wanted.name)

    def _exec(self, wanted: ExecTokenConfig) -> TokenSource:
        from identity.program import PASSED, Program
        from identity.token_sources.exec_helper import ExecHelper

        env = {name: self.env[name] for name in (*PASSED, *wanted.pass_env) if name in self.env}
        program = Program(command=wanted.command, env=env, timeout_s=wanted.timeout_s)
        return ExecHelper(program, ask_again_s=wanted.refresh_s)

    def _client(self, client: OAuthClientConfig, project: str) -> Client:
        from identity.token_sources.oauth import Client

        secret = client.secret
        read = self._reader(secret, project) if secret is not None else None
        return Client(id=client.id, read_secret=read, method=client.method)

    def _reader(self, ref: CredentialRef, project: str) -> ReadCredential:
        """Like `reader_of`; what comes from the secret store is put on paper first."""
        read = reader_of(ref, project, self.store, self.env)

        async def noted() -> Secret:
            if ref.kind == "secret":
                await asyncio.to_thread(
                    self.journal.record,
                    "secret.use",
                    outcome="ok",
                    name=ref.value,
                    reason="[tokens]",
                )
            try:
                return await read()
            except OSError as error:
                reason = (error.strerror or type(error).__name__).lower()
                raise TokenUnavailable(
                    f"{ref.value} can't be read: {reason}", hint="mend the path or its mode"
                ) from error

        return noted


def auth_api(wanted: SupabaseTokenConfig) -> AuthApi:
    """The project's Auth server."""
    from identity.supabase.auth_api import AuthApi

    return AuthApi(wanted.url, wanted.publishable_key, ca_file=wanted.ca_file, now=now)


def session_lock(project: str, name: str, env: Mapping[str, str]) -> Path:
    """What a process holds that changes the session of the token `name`."""
    return state_folder(project, env) / f"token-{name}.lock"


def now() -> datetime:
    """The present."""
    return datetime.now(UTC)


def _caller(wanted: ClientCredentialsConfig | TokenExchangeConfig) -> Caller:
    from identity.token_sources.call import Caller

    return Caller(wanted.token_url, what="the token endpoint", ca_file=wanted.ca_file)


def _wish(wanted: ClientCredentialsConfig | TokenExchangeConfig) -> Wish:
    from identity.token_sources.oauth import Wish

    return Wish(scope=wanted.scope, audience=wanted.audience, resource=wanted.resource)


def _google(wanted: GoogleTokenConfig) -> TokenSource:
    try:
        from identity.token_sources.call import TIMEOUT_S
        from identity.token_sources.google import GoogleTokenSource
        from identity.token_sources.google_transport import PinnedTransport
    except ModuleNotFoundError as error:
        raise StartFailed(
            f'source = "google" needs {error.name}, which is not installed',
            hint="install the package with its extra: devwiz-gw[google]",
        ) from error
    transport = PinnedTransport(
        allowed_hosts=frozenset(wanted.allowed_hosts), ca_file=wanted.ca_file, timeout_s=TIMEOUT_S
    )
    return GoogleTokenSource(
        wanted.credential_file,
        transport,
        audience=wanted.audience,
        scopes=wanted.scopes,
        allow_executables=wanted.allow_executables,
    )
