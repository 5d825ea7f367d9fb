"""Configu's HTTP API: reading and writing configs, in sets, for one organization."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from identity.configu.config_set import DEFAULT_ENDPOINT, ConfigKey
from identity.errors import TokenDenied
from identity.secret_stores.base import Secret
from identity.strict_json import strict_value
from identity.token_sources.call import TIMEOUT_S, Answer, Caller

_MAX_REPLY_BYTES: Final = 16 * 1024 * 1024
_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written counts from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingApproval:
    """What was written waits for somebody's approval, and doesn't count: the set is protected.

    `sets` are those, and at `queue_url` they are approved.
    """

    sets: tuple[str, ...]
    queue_url: str


class ConfiguClient:
    """Speaks for one organization's token. Every method raises `TokenUnavailable`, and
    `TokenDenied` where the server refuses or isn't Configu's.
    """

    def __init__(
        self,
        *,
        org: str,
        token: Secret,
        endpoint: str = DEFAULT_ENDPOINT,
        ca_file: Path | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._caller = Caller(
            endpoint,
            what="Configu",
            ca_file=ca_file,
            timeout_s=timeout_s,
            most_bytes=_MAX_REPLY_BYTES,
        )
        self._org = org
        self._token = token

    async def get(
        self, sets: Iterable[str], keys: Iterable[str], *, tag: str = ""
    ) -> dict[ConfigKey, str]:
        """The values of those keys in each of the sets, as far as there are any; with `tag`, those
        of then.
        """
        names = tuple(keys)
        asked = [{"set": name, "key": key} for name in sets for key in names]
        answer = await self._caller.call(
            "POST",
            "/config",
            headers=self._headers(),
            query={"tag": tag} if tag else None,
            body={"queries": asked},
        )
        if answer.status != 200:
            raise self._refused(answer)
        return self._configs(answer)

    async def upsert(self, configs: Mapping[ConfigKey, str]) -> Stored | PendingApproval:
        """Write values; one without a character deletes the config."""
        told = [{"set": name, "key": key, "value": text} for (name, key), text in configs.items()]
        answer = await self._caller.call(
            "PUT", "/config", headers=self._headers(), body={"configs": told}
        )
        if answer.status == 202:
            return self._pending(answer)
        if answer.status not in {200, 201, 204}:
            raise self._refused(answer)
        return Stored()

    def _headers(self) -> dict[str, str]:
        headers = {"Org": self._org, "Source": "sdk"}
        token = self._token.reveal()
        if _JWT.fullmatch(token):
            return headers | {"Authorization": f"Bearer {token}"}
        return headers | {"Token": token}

    def _configs(self, answer: Answer) -> dict[ConfigKey, str]:
        found: dict[ConfigKey, str] = {}
        for item in self._items(answer):
            name, key, value = (item.get(part) for part in ("set", "key", "value"))
            if not isinstance(name, str) or not isinstance(key, str) or not isinstance(value, str):
                raise self._not_understood()
            # Of two values for one config nobody could say which one counts.
            if (name, key) in found:
                raise self._not_understood()
            found[name, key] = value
        return found

    def _items(self, answer: Answer) -> list[dict[str, Any]]:
        try:
            items = strict_value(answer.body)
        except ValueError:
            raise self._not_understood() from None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._not_understood()
        return items

    def _pending(self, answer: Answer) -> PendingApproval:
        told = answer.json()
        diff = told.get("diff")
        pending = diff.get("pending") if isinstance(diff, dict) else None
        sets = [item.get("set") for item in pending or () if isinstance(item, dict)]
        return PendingApproval(
            sets=tuple(dict.fromkeys(name for name in sets if isinstance(name, str))),
            queue_url=str(told.get("queueUrl") or ""),
        )

    def _refused(self, answer: Answer) -> Exception:
        hints = {401: "the token is not taken: was it revoked, or has it ended?"}
        hints[403] = f"may the token read and write what {self._org!r} has? check the organization"
        return self._caller.refused(answer, hint=hints.get(answer.status, ""))

    def _not_understood(self) -> TokenDenied:
        return TokenDenied(
            f"{self._caller} answered, but not as Configu does", hint="is the address right?"
        )
