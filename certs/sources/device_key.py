"""The key of this machine that is bound at an issuer, and the join state that goes with it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from certs import keys
from certs.errors import SourceDenied, SourceUnavailable
from certs.keys import PrivateKey
from certs.sources.credential import ReadCredential, credential
from certs.sources.signing_key import read_signing_key
from identity.errors import SecretNotFound
from identity.fault import Fault
from identity.secret_stores.base import Secret, SecretRef, SecretStore

#: The join state is kept beside the key, under the key's name with this behind it.
STATE_SUFFIX: Final = ".join-state"

_WHAT: Final = "join: the bound key"
_REMEDY: Final = "make one with 'devwiz-gw identity device-key NAME', and register it at the issuer"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HeldKey:
    """A key at hand; `join_state` is "" where it has none, `is_new` where it was just made."""

    key: PrivateKey
    join_state: str = ""
    is_new: bool = False


class DeviceKey(Protocol):
    """Where a key is kept that never ends.

    Both raise `SourceUnavailable` where it can't be reached now, `SourceDenied` where it can't be
    used.
    """

    async def held(self, *, make: bool, timeout_s: float) -> HeldKey:
        """The key and its state. Where there is none, and `make` says so: a new key, kept."""
        ...

    async def keep_state(self, state: str) -> None:
        """Keep the state that goes with the key from now on."""
        ...


class StoredKey:
    """A key in a secret store, as the secret `ref`; PEM or JWK.

    Two gateways must not share one: each would find its state out of date.
    """

    def __init__(self, store: SecretStore, ref: SecretRef, *, timeout_s: float = 10.0) -> None:
        self._store = store
        self._ref = ref
        self._state_ref = SecretRef(ref.project, ref.name + STATE_SUFFIX)
        self._timeout_s = timeout_s

    async def held(self, *, make: bool, timeout_s: float) -> HeldKey:
        """See `DeviceKey`."""

        async def read() -> Secret:
            try:
                return await self._store.get(self._ref)
            except SecretNotFound as error:
                if make:
                    return Secret("")
                # Without its hint: this secret is not one to be typed in.
                raise SecretNotFound(str(error)) from error

        text = await credential(
            read, step="join", timeout_s=timeout_s, what="bound key", remedy=_REMEDY
        )
        if not text.reveal():
            return await self._made()
        key = read_signing_key(text.reveal(), what=_WHAT).key
        return HeldKey(key=key, join_state=await self._state(timeout_s))

    async def keep_state(self, state: str) -> None:
        """See `DeviceKey`."""
        await self._set(self._state_ref, state, "the join state")

    async def _made(self) -> HeldKey:
        key = keys.generate()
        await self._set(self._ref, keys.to_pem(key).decode(), "the new bound key")
        return HeldKey(key=key, is_new=True)

    async def _state(self, timeout_s: float) -> str:
        async def read() -> Secret:
            try:
                return await self._store.get(self._state_ref)
            except SecretNotFound:
                return Secret("")

        state = await credential(read, step="join", timeout_s=timeout_s, what="join state")
        return state.reveal().strip()

    async def _set(self, ref: SecretRef, value: str, what: str) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._store.set(ref, Secret(value))
        except TimeoutError as error:
            raise SourceUnavailable(f"join: {what} can't be kept in time") from error
        except Fault as error:
            raise SourceUnavailable(
                f"join: {what} can't be kept: {error}", hint=error.hint
            ) from error


class ReadOnlyKey:
    """A key that is only read, from a file or a variable: without a join state, so for rules whose
    recovery mode is "insecure".
    """

    def __init__(self, read: ReadCredential) -> None:
        self._read = read

    async def held(self, *, make: bool, timeout_s: float) -> HeldKey:  # noqa: ARG002
        """See `DeviceKey`; nothing is made."""
        text = await credential(
            self._read, step="join", timeout_s=timeout_s, what="bound key", remedy=_REMEDY
        )
        return HeldKey(key=read_signing_key(text.reveal(), what=_WHAT).key)

    async def keep_state(self, state: str) -> None:  # noqa: ARG002
        """Refuses: a state that is not kept would look like a copied key at the next join.

        Raises:
            SourceDenied: always.
        """
        raise SourceDenied(
            "join: the bound key is in a place that keeps no join state",
            hint="keep it with bound_key_secret, or let the rule be insecure: "
            "devwiz-gw issuer change-rule NAME --recovery-mode insecure",
        )
