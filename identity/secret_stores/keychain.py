"""The store in the operating system's keychain."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from identity.errors import SecretDamaged, StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef, check_project, check_value, not_set
from identity.secret_stores.keychain_helper import HelperEnded, HelperTimedOut, KeychainHelper

#: How long the helper process is kept for the next call.
IDLE_S: Final = 5.0


class Keychain:
    """A `SecretStore` whose calls are made by a helper process, one after the other.

    A locked keychain puts its question to the person once; until it was seen unlocked again,
    further calls only look. So a gateway that polls doesn't raise the question again and again.
    """

    def __init__(self, helper: KeychainHelper, *, idle_s: float = IDLE_S) -> None:
        self._helper = helper
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._may_prompt = True
        self._idle: asyncio.TimerHandle | None = None
        self._retiring: asyncio.Task[None] | None = None

    async def get(self, ref: SecretRef) -> Secret:
        """See `SecretStore.get`. Raises `SecretDamaged` for a value that is not whole."""
        answer = await self._ask("get", ref.project, name=ref.name)
        if answer["value"] is None:
            raise not_set(ref)
        return Secret(answer["value"])

    async def set(self, ref: SecretRef, value: Secret) -> None:
        """See `SecretStore.set`."""
        check_value(value)
        await self._ask("set", ref.project, name=ref.name, value=value.reveal())

    async def delete(self, ref: SecretRef) -> None:
        """See `SecretStore.delete`."""
        answer = await self._ask("delete", ref.project, name=ref.name)
        if not answer["removed"]:
            raise not_set(ref)

    async def names(self, project: str) -> list[str]:
        """See `SecretStore.names`."""
        check_project(project)
        answer = await self._ask("names", project)
        return list(answer["names"])

    async def close(self) -> None:
        """Kill the helper process; a call in progress fails."""
        self._helper.kill()
        async with self._turn:
            await self._rouse()
            await asyncio.to_thread(self._helper.stop)

    async def _ask(self, op: str, project: str, **more: str) -> dict[str, Any]:
        async with self._turn:
            await self._rouse()
            request = {"op": op, "project": project, "unlock": self._may_prompt, **more}
            try:
                answer = await self._converse(request)
            except HelperTimedOut as error:
                self._may_prompt = False
                raise _timed_out(error) from error
            except HelperEnded as error:
                raise _unavailable("its helper process ended", str(error)) from error
            finally:
                loop = asyncio.get_running_loop()
                self._idle = loop.call_later(self._idle_s, self._retire)
        if "error" in answer:
            self._may_prompt = answer["error"] != "locked"
            raise _refusal(answer["error"], answer["reason"], project, more.get("name"))
        self._may_prompt = True
        return answer

    async def _converse(self, request: dict[str, Any]) -> dict[str, Any]:
        call = asyncio.ensure_future(asyncio.to_thread(self._helper.call, request))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            # The thread can't be cancelled, but its answer can be cut off.
            while not call.done():  # it may just be starting the process
                self._helper.kill()
                await asyncio.wait({call}, timeout=0.1)
            if not call.cancelled():
                call.exception()
            raise

    async def _rouse(self) -> None:
        """Keep the helper from being retired; if that has begun, wait for its end."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._retiring is not None:
            await self._retiring
            self._retiring = None

    def _retire(self) -> None:
        self._idle = None
        self._retiring = asyncio.create_task(asyncio.to_thread(self._helper.stop))


def _timed_out(error: HelperTimedOut) -> StoreUnavailable:
    if error.prompting:
        return _locked(f"nobody answered its question within {error.timeout_s:g} s")
    return _unavailable(
        f"it did not answer within {error.timeout_s:g} s", "it may be waiting for a person"
    )


def _refusal(code: str, reason: str, project: str, name: str | None) -> StoreUnavailable:
    if code == "locked":
        return _locked(reason)
    if code == "absent":
        return StoreUnavailable(
            "there is no keychain in this session",
            hint=f"{reason}; start a Secret Service such as gnome-keyring, "
            "or set secret_store to another store: see docs/operations/secrets.md",
        )
    if code == "damaged":
        what = "the list of names" if name is None else f"secret {project}/{name}"
        return SecretDamaged(
            f"{what} in the keychain is damaged: {reason}", hint="set the secret again"
        )
    return _unavailable(f"it failed: {reason}", "look at the keychain with the system's own tool")


def _locked(reason: str) -> StoreUnavailable:
    return StoreUnavailable(
        "the keychain is locked: unlock it",
        hint=f"{reason}; open it in the desktop's password manager, or sign in again",
    )


def _unavailable(what: str, hint: str) -> StoreUnavailable:
    return StoreUnavailable(f"the keychain can't be used: {what}", hint=hint)
