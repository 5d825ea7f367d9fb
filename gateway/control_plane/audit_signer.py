"""The task that vouches for the journal's lines: at the start, every few minutes, at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from gateway.audit.event import Place
from gateway.audit.journal import GONE, AuditFailed, Journal
from gateway.audit.key import key_ref, new_key, place_of, place_text, reached_ref, signer_of
from identity.errors import IdentityError, SecretNotFound
from identity.secret_stores.base import SecretStore

if TYPE_CHECKING:
    from gateway.audit.checkpoint import KeySigner

_LOG: Final = logging.getLogger(__name__)

#: From one checkpoint to the next, in seconds.
EVERY_S: Final = 300.0
#: At the end nobody waits longer than this for a store.
_LAST_S: Final = 5.0


class AuditSigner:
    """Signs with the key that `store` keeps for the journal's project; makes it when there is none.
    Without the store the lines stay unsigned until it is back, which the log says once. The store
    is the signer's own, and closed in between: a keychain's process would be there for this alone.

    What was signed last has to be there still: if it isn't, a line and the log say so for good, or
    whoever replaced the journal had only to wait for the next signature. So old files are removed
    here, behind the signature, and never the line that the store says was signed last.
    """

    def __init__(self, journal: Journal, store: SecretStore, *, every_s: float = EVERY_S) -> None:
        self._journal = journal
        self._store = store
        self._every_s = every_s
        self._signer: KeySigner | None = None
        self._reached: Place | None = None
        self._kept: Place | None = None
        self._told = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = asyncio.Event()

    def too_many(self) -> None:
        """There are old files to remove: sign now. Callable from any thread."""
        loop = self._loop
        if loop is not None:
            # A loop that is closed meanwhile has no signer any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._asked.set)

    async def run(self) -> None:
        """Sign until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._asked.clear()
            await self.sign()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._asked.wait()

    async def finish(self) -> None:
        """Sign what is left, after `run` has ended."""
        self._loop = None
        try:
            async with asyncio.timeout(_LAST_S):
                await self.sign()
        except TimeoutError:
            self._tell("the secret store doesn't answer")

    async def sign(self) -> None:
        """Vouch for all lines so far, if that can be done now, and remove old files."""
        try:
            signer = self._signer = self._signer or await self._load()
            await self._look_back()
            self._reached = await asyncio.to_thread(self._journal.sign, signer) or self._reached
            await self._keep_place()
            if self._kept is not None:
                await asyncio.to_thread(self._journal.prune, signer, self._kept)
        except (IdentityError, AuditFailed) as fault:
            self._tell(str(fault))
        except ValueError:
            self._tell("the kept key is not readable: `devwiz-gw audit verify` tells more")
        else:
            self._told = ""
        finally:
            await self._store.close()

    async def _keep_place(self) -> None:
        if self._reached is not None and self._reached != self._kept:
            await self._store.set(reached_ref(self._journal.project), place_text(self._reached))
            self._kept = self._reached

    async def _look_back(self) -> None:
        if self._reached is None:
            self._reached = self._kept = await self._kept_place()
        reached = self._reached
        if not await asyncio.to_thread(self._journal.look_back, reached):
            where = {"event": "audit_broken"}
            _LOG.error("line %d of the audit journal: %s", reached.seq, GONE, extra=where)

    async def _kept_place(self) -> Place:
        try:
            return place_of(await self._store.get(reached_ref(self._journal.project)))
        except SecretNotFound:
            return Place()

    async def _load(self) -> KeySigner:
        ref = key_ref(self._journal.project)
        try:
            kept = await self._store.get(ref)
        except SecretNotFound:
            kept = new_key()
            await self._store.set(ref, kept)
        return signer_of(kept)

    def _tell(self, why: str) -> None:
        if why != self._told:
            self._told = why
            _LOG.warning("the audit journal is not signed: %s", why, extra={"event": "unsigned"})
