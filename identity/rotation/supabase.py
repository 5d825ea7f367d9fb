"""Supabase's API keys and signing keys, by its Management API."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from identity.errors import TokenDenied
from identity.rotation.base import Created, ReadSecret
from identity.secret_stores.base import Secret
from identity.token_sources.call import Answer, Caller

MANAGEMENT: Final = "https://api.supabase.com"
#: How long a standby key has to be there: two caches of ten minutes each have to see it.
STANDBY_S: Final = 20 * 60.0
_NAME: Final = re.compile(r"[^a-z0-9_]")
_HINT: Final = "the access token needs the project's API keys and secrets, to read and to write"


class Management:
    """The project `ref` as its owner's access token sees it; `read_token` reads that each time."""

    def __init__(self, endpoint: str, ref: str, read_token: ReadSecret) -> None:
        self._caller = Caller(endpoint.rstrip("/"), what="Supabase")
        self._path = f"/v1/projects/{quote(ref, safe='')}"
        self._read_token = read_token

    def __str__(self) -> str:
        return str(self._caller)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        reveal: bool = False,
        gone_is_fine: bool = False,
    ) -> Answer:
        """A request below the project; anything but success raises, as for `Remote`."""
        token = await self._read_token()
        answer = await self._caller.call(
            method,
            self._path + path,
            headers={"Authorization": f"Bearer {token.reveal()}"},
            query={"reveal": "true"} if reveal else None,
            body=body,
        )
        if answer.status // 100 != 2 and not (gone_is_fine and answer.status == 404):
            raise self._caller.refused(answer, hint=_HINT)
        return answer

    async def listed(self, path: str, *, within: str = "", reveal: bool = False) -> list[Any]:
        """The objects of a list, which may be one field of the answer."""
        answer = await self.call("GET", path, reveal=reveal)
        items = answer.json().get(within) if within and answer.json() else answer.value()
        if not isinstance(items, list):
            raise TokenDenied(f"{self._caller} answered, but not with a list of keys")
        return [item for item in items if isinstance(item, dict) and item.get("id")]


class ApiKeys:
    """A `Remote` for keys of one `kind`, "publishable" or "secret"."""

    def __init__(self, management: Management, *, kind: str) -> None:
        self._management = management
        self._kind = kind

    async def current(self, value: Secret | None) -> str:
        """See `Remote.current`."""
        if value is None:
            return ""
        items = await self._management.listed("/api-keys", reveal=True)
        found = [str(item["id"]) for item in items if item.get("api_key") == value.reveal()]
        if len(found) != 1:
            raise TokenDenied(
                f"{self._management} lists no key of the project that is the one in use",
                hint="is it of another project? --old-key names its id",
            )
        return found[0]

    async def create(self, tag: str, by: Secret | None) -> Created:
        """See `Remote.create`. A name there may hold small letters, digits and _ only."""
        del by
        body = {"type": self._kind, "name": _name(tag), "description": tag}
        answer = await self._management.call("POST", "/api-keys", body=body, reveal=True)
        told = answer.json()
        key, value = told.get("id"), told.get("api_key")
        if not isinstance(key, str) or not isinstance(value, str) or not key or not value:
            raise TokenDenied(f"{self._management} made a key, and didn't show it")
        return Created(key=key, value=Secret(value))

    async def tagged(self, tag: str, by: Secret | None) -> list[str]:
        """See `Remote.tagged`."""
        del by
        items = await self._management.listed("/api-keys")
        return [
            str(item["id"])
            for item in items
            if item.get("name") == _name(tag) or item.get("description") == tag
        ]

    async def revoke(self, key: str, value: Secret | None, by: Secret | None) -> None:
        """See `Remote.revoke`."""
        del value, by
        path = f"/api-keys/{quote(key, safe='')}"
        await self._management.call("DELETE", path, gone_is_fine=True)


class ApiKeyProbe:
    """A `Check` for an API key: what the project's Auth server tells everybody who has one."""

    def __init__(self, project_url: str) -> None:
        self._caller = Caller(project_url.rstrip("/"), what="Supabase")

    async def __call__(self, value: Secret) -> None:
        """See `Check`."""
        headers = {"apikey": value.reveal()}
        answer = await self._caller.call("GET", "/auth/v1/settings", headers=headers)
        if answer.status != 200:
            raise self._caller.refused(answer, hint="a new key may take some seconds to be known")


class SigningKeys:
    """A `Remote` for the keys that sign the sessions of a project. They have no value that leaves
    it and carry no tag; there is one on standby at most, which is what `create` finds or makes.
    """

    def __init__(self, management: Management, *, algorithm: str) -> None:
        self._management = management
        self._algorithm = algorithm

    async def current(self, value: Secret | None) -> str:
        """See `Remote.current`."""
        del value
        found = await self._with_status("in_use")
        if len(found) != 1:
            raise TokenDenied(f"{self._management} lists {len(found)} signing keys that are in use")
        return str(found[0]["id"])

    async def create(self, tag: str, by: Secret | None) -> Created:
        """See `Remote.create`."""
        del tag, by
        for item in await self._with_status("standby"):
            if item.get("algorithm") != self._algorithm:
                raise TokenDenied(
                    f"a standby key of another algorithm is there, {item.get('algorithm')!r}",
                    hint="delete it in the project's settings, or set algorithm to that",
                )
            return Created(key=str(item["id"]), value=None)
        body = {"algorithm": self._algorithm, "status": "standby"}
        answer = await self._management.call("POST", "/config/auth/signing-keys", body=body)
        key = answer.json().get("id")
        if not isinstance(key, str) or not key:
            raise TokenDenied(f"{self._management} made a key, and didn't tell its id")
        return Created(key=key, value=None)

    async def tagged(self, tag: str, by: Secret | None) -> list[str]:
        """See `Remote.tagged`: none, because the one on standby is as good as a new one."""
        del tag, by
        return []

    async def activate(self, key: str) -> None:
        """Sign with this key from now on; the one so far stays known."""
        if key not in [str(item["id"]) for item in await self._with_status("in_use")]:
            await self._change(key, "in_use")

    async def revoke(self, key: str, value: Secret | None, by: Secret | None) -> None:
        """See `Remote.revoke`."""
        del value, by
        if key not in [str(item["id"]) for item in await self._with_status("revoked")]:
            await self._change(key, "revoked")

    async def _with_status(self, status: str) -> list[Any]:
        items = await self._management.listed("/config/auth/signing-keys", within="keys")
        return [item for item in items if item.get("status") == status]

    async def _change(self, key: str, status: str) -> None:
        path = f"/config/auth/signing-keys/{quote(key, safe='')}"
        await self._management.call("PATCH", path, body={"status": status}, gone_is_fine=True)


def _name(tag: str) -> str:
    return _NAME.sub("_", tag.lower())
