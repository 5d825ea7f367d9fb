"""The access token of a session, as a token source: refreshed by one process of the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from identity.errors import IdentityError, SecretNotFound, TokenEnded
from identity.machine_lock import machine_lock
from identity.secret_stores.base import Secret, SecretRef, SecretStore
from identity.supabase.access_tokens import AccessTokens
from identity.supabase.auth_api import AuthApi
from identity.supabase.session import Session, decode, encode
from identity.token_sources.base import Token
from identity.token_sources.refresh import is_due

#: How often the store is looked at: another process may have signed in, out or refreshed.
LOOK_S: Final = 30.0
#: The same while there is no session, which is a person's wait.
LOOK_AGAIN_S: Final = 5.0
_LOCK_S: Final = 30.0
_END_S: Final = 5.0


class SupabaseSource:
    """A `KeepingSource` over the session that is kept as `ref`.

    A refresh is made under a lock of the machine, and its result is stored before it is used. A
    process that is killed in between loses nothing: the server takes the refresh token before the
    last one once more, and answers with the last one.
    """

    def __init__(
        self,
        api: AuthApi,
        tokens: AccessTokens,
        store: SecretStore,
        ref: SecretRef,
        *,
        lock: Path,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._tokens = tokens
        self._store = store
        self._ref = ref
        self._lock = lock
        self._now = now
        self._work: asyncio.Task[Token] | None = None
        self._unsaved: Session | None = None
        self._verified = ""
        self._refused = ""

    def refused(self, value: Secret) -> None:
        """See `KeepingSource.refused`."""
        self._refused = value.reveal()

    async def fetch(self) -> Token:
        """See `TokenSource.fetch`. Who is cancelled doesn't cancel a refresh under way: its answer
        is the only one that holds the next refresh token.
        """
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._fetch())
        return await asyncio.shield(self._work)

    async def close(self) -> None:
        """Let a refresh under way finish, for a moment."""
        if self._work is not None:
            await asyncio.wait({self._work}, timeout=_END_S)
            self._work.cancel()
            with suppress(asyncio.CancelledError, IdentityError):
                await self._work

    async def _fetch(self) -> Token:
        session = await self._kept()
        if self._unsaved is not None or self._is_due(session):
            async with machine_lock(self._lock, timeout_s=_LOCK_S):
                session = await self._fresh()
        if session.access_token.reveal() != self._verified:
            await self._tokens.verify(session.access_token, user_id=session.user_id)
            self._verified = session.access_token.reveal()
        return Token(value=session.access_token, expires_at=session.expires_at, ask_again_s=LOOK_S)

    async def _fresh(self) -> Session:
        """Under the lock: what another process has stored meanwhile, or a new one."""
        session = await self._kept()
        unsaved, self._unsaved = self._unsaved, None
        if unsaved is not None and unsaved.issued_at > session.issued_at:
            await self._keep(unsaved)
            session = unsaved
        if not self._is_due(session):
            return session
        try:
            fresh = await self._api.refresh(session.refresh_token)
        except TokenEnded as ended:
            await self._store.set(self._ref, encode(session.over(str(ended))))
            ended.retry_after_s = LOOK_AGAIN_S
            raise
        await self._keep(fresh)
        return fresh

    async def _keep(self, session: Session) -> None:
        try:
            await self._store.set(self._ref, encode(session))
        except IdentityError:
            self._unsaved = session  # it is tried again, before anything else is asked
            raise

    async def _kept(self) -> Session:
        try:
            session = decode(await self._store.get(self._ref))
        except SecretNotFound:
            raise TokenEnded(
                "nobody is signed in", hint=_SIGN_IN, retry_after_s=LOOK_AGAIN_S
            ) from None
        if session.ended:
            raise TokenEnded(session.ended, hint=_SIGN_IN, retry_after_s=LOOK_AGAIN_S)
        if session.url != self._api.url:
            raise TokenEnded(
                f"the session is one of {session.url}, not of {self._api.url}",
                hint=_SIGN_IN,
                retry_after_s=LOOK_AGAIN_S,
            )
        return session

    def _is_due(self, session: Session) -> bool:
        if session.access_token.reveal() == self._refused:
            return True
        return is_due(issued_at=session.issued_at, expires_at=session.expires_at, now=self._now())


_SIGN_IN: Final = "run: devwiz-gw login supabase"
