"""LangSmith keys: made, found and deleted by their description."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from identity.errors import TokenDenied
from identity.langsmith import kind_of
from identity.rotation.base import Created, ReadSecret
from identity.secret_stores.base import Secret
from identity.token_sources.call import Answer, Caller

#: Where keys of each sort are.
PATHS: Final = {
    "workspace": "/api/v1/api-key",
    "organization": "/api/v1/orgs/current/service-keys",
    "personal": "/api/v1/orgs/current/personal-access-tokens",
}
_HIDDEN: Final = re.compile(r"[.*…•]{2,}|…")


class LangSmithKeys:
    """A `Remote`. Keys are made with the key that is good now, unless there is an `admin` one.

    Args:
        sort: one of `PATHS`.
        workspace, organization: ids that some keys have to name; "" for none.
        expires_s: how long a new key is good; None for the longest that is allowed.

    Raises:
        TokenDenied: the address is neither https nor of this machine.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        sort: str,
        workspace: str = "",
        organization: str = "",
        admin: ReadSecret | None = None,
        expires_s: float | None = None,
    ) -> None:
        self._caller = Caller(endpoint.rstrip("/"), what="LangSmith")
        self._path = PATHS[sort]
        self._scope = {"X-Tenant-Id": workspace, "X-Organization-Id": organization}
        self._admin = admin
        self._expires_s = expires_s

    async def current(self, value: Secret | None) -> str:
        """See `Remote.current`: by the part of a key that the server shows."""
        if value is None:
            return ""
        kind_of(value)
        text = value.reveal()
        found = [item for item in await self._keys(value) if _is_short_of(item, text)]
        if len(found) != 1:
            raise TokenDenied(
                f"{self._caller} lists {len(found)} keys that can be the one in use",
                hint="name its id with --old-key; the server's settings show it",
            )
        return str(found[0]["id"])

    async def create(self, tag: str, by: Secret | None) -> Created:
        """See `Remote.create`."""
        body: dict[str, Any] = {"description": tag}
        if ends_at := await self._end(by):
            body["expires_at"] = ends_at
        answer = await self._call("POST", self._path, by, body=body)
        if answer.status not in {200, 201}:
            raise self._refused(answer)
        told = answer.json()
        key, value = told.get("id"), told.get("key")
        if not isinstance(key, str) or not isinstance(value, str) or not key or not value:
            raise TokenDenied(f"{self._caller} made a key, and didn't tell it as LangSmith does")
        return Created(key=key, value=Secret(value))

    async def tagged(self, tag: str, by: Secret | None) -> list[str]:
        """See `Remote.tagged`."""
        return [str(item["id"]) for item in await self._keys(by) if item.get("description") == tag]

    async def revoke(self, key: str, value: Secret | None, by: Secret | None) -> None:
        """See `Remote.revoke`."""
        del value
        answer = await self._call("DELETE", f"{self._path}/{quote(key, safe='')}", by)
        if answer.status not in {200, 202, 204, 404}:
            raise self._refused(answer)

    async def _keys(self, by: Secret | None) -> list[dict[str, Any]]:
        answer = await self._call("GET", self._path, by)
        if answer.status != 200:
            raise self._refused(answer)
        items = answer.value()
        if not isinstance(items, list):
            raise TokenDenied(f"{self._caller} answered, but not with a list of keys")
        return [
            item
            for item in items
            if isinstance(item, dict) and item.get("id") and not item.get("revoked_at")
        ]

    async def _end(self, by: Secret | None) -> str:
        """When the new key ends: an organization may not allow any that never does."""
        most_s = None
        if self._path != PATHS["workspace"]:
            answer = await self._call("GET", "/api/v1/orgs/current/info", by)
            days = answer.json().get("max_service_key_expiry_days")
            if answer.status == 200 and isinstance(days, int) and not isinstance(days, bool):
                most_s = days * 86_400.0
        spans = [span for span in (self._expires_s, most_s) if span is not None]
        if not spans:
            return ""
        return (datetime.now(UTC) + timedelta(seconds=min(spans))).isoformat(timespec="seconds")

    async def _call(
        self, method: str, path: str, by: Secret | None, *, body: dict[str, Any] | None = None
    ) -> Answer:
        key = await self._admin() if self._admin is not None else by
        if key is None:
            raise TokenDenied("there is no LangSmith key to ask with", hint="devwiz-gw secret set")
        scope = {name: value for name, value in self._scope.items() if value}
        headers = {"x-api-key": key.reveal(), **scope}
        return await self._caller.call(method, path, headers=headers, body=body)

    def _refused(self, answer: Answer) -> Exception:
        return self._caller.refused(
            answer,
            hint="making keys needs one that may: name it as admin_secret, and the workspace or "
            "organization that it is of",
        )


def _is_short_of(item: dict[str, Any], value: str) -> bool:
    parts = _HIDDEN.split(str(item.get("short_key") or ""))
    head, tail = parts[0], parts[-1]
    return len(parts) > 1 and len(tail) >= 4 and value.startswith(head) and value.endswith(tail)
