"""A process that asks for the access token of a kept session, and may be killed on the way.

    python -m tests.fakes.session_process FOLDER URL [killed-before-storing|killed-after-storing]

The store is a folder of files. What it got is printed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from identity.atomic_file import write_atomic
from identity.errors import SecretNotFound
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from identity.supabase.access_tokens import AccessTokens
from identity.supabase.auth_api import AuthApi
from identity.supabase.session import session_ref
from identity.supabase.source import SupabaseSource
from tests.fakes.supabase_auth import KEY

REF = session_ref("acme", "supabase")


class FolderStore(MemoryStore):
    """A `SecretStore` that several processes share; `at` is when it kills its own."""

    def __init__(self, folder: Path, at: str = "") -> None:
        super().__init__()
        self._folder = folder
        self._at = at

    async def get(self, ref: SecretRef) -> Secret:
        try:
            return Secret((self._folder / ref.name).read_text())
        except FileNotFoundError:
            raise SecretNotFound("not set") from None

    async def set(self, ref: SecretRef, value: Secret) -> None:
        if self._at == "killed-before-storing":
            os.kill(os.getpid(), signal.SIGKILL)
        write_atomic(self._folder / ref.name, value.reveal().encode(), 0o600)
        if self._at == "killed-after-storing":
            os.kill(os.getpid(), signal.SIGKILL)


def source(folder: Path, url: str, at: str = "") -> SupabaseSource:
    """Over the session that the folder holds."""
    api = AuthApi(url, KEY, ca_file=None, now=_now)
    return SupabaseSource(
        api,
        AccessTokens(api, audience="authenticated", now=_now),
        FolderStore(folder, at),
        REF,
        lock=folder / "lock",
        now=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


async def main(folder: str, url: str, at: str = "") -> None:
    made = source(Path(folder), url, at)
    token = await made.fetch()
    await made.close()
    sys.stdout.write(token.value.reveal() + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
