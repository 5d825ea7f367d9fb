"""Credentials that the configuration names, read at the moment when they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.config.model import CredentialRef
from identity.errors import SecretNotFound
from identity.secret_stores.base import Secret, SecretRef, SecretStore

ReadCredential = Callable[[], Awaitable[Secret]]

_MAX_CREDENTIAL_BYTES: Final = 64 * 1024


def reader_of(
    ref: CredentialRef | None, project: str, store: SecretStore, env: Mapping[str, str]
) -> ReadCredential:
    """What reads the credential: it raises `SecretNotFound`, `StoreUnavailable` or `OSError`."""

    async def read() -> Secret:
        return await _credential(ref, project, store, env)

    return read


async def _credential(
    ref: CredentialRef | None, project: str, store: SecretStore, env: Mapping[str, str]
) -> Secret:
    if ref is None:
        raise SecretNotFound(
            "the configuration names no join token",
            hint="set token_file, or another way to join, under [identity.issuer]",
        )
    if ref.kind == "secret":
        return await store.get(SecretRef(project, ref.value))
    if ref.kind == "env":
        text = env.get(ref.value, "")
        where = f"the environment variable {ref.value}"
    else:
        text = await asyncio.to_thread(_read_text, Path(ref.value))
        where = ref.value
    if not text.strip():
        raise SecretNotFound(f"{where} is empty")
    return Secret(text.strip())


def _read_text(path: Path) -> str:
    with path.open(encoding="ascii", errors="replace") as file:
        return file.read(_MAX_CREDENTIAL_BYTES)
