"""Providers' key APIs for tests, with the rules that a rotation has to live with."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.fakes.http_thread import HttpThread, Reply, Request

_LANGSMITH_PATH = re.compile(
    r"/api/v1/(api-key|orgs/current/service-keys|orgs/current/personal-access-tokens)(?:/([^/]+))?"
)
_SUPABASE_PATH = re.compile(r"/v1/projects/([a-z]+)/(api-keys|config/auth/signing-keys)(?:/(.+))?")
#: Names of API keys there, as the real API checks them.
_NAME = re.compile(r"[a-z_][a-z0-9_]{3,63}")
TOKEN = "sbp_0123456789abcdef0123456789abcdef01234567"


class FaultyServer(HttpThread):
    """Fails as it is told: `faults` has, by method, what becomes of its next requests.

    503, 429, …: answered with that status, nothing done. "lost": done, and answered with 502.
    "hang": done, and not answered before the server ends.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, list[int | str]] = {}
        self.hanging = threading.Event()
        self._over = threading.Event()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        super().__exit__(*error)

    def answer(self, request: Request) -> Reply:
        """The real answer, or what was wanted instead."""
        waiting = self.faults.get(request.method) or [0]
        fault = waiting.pop(0)
        if isinstance(fault, int) and fault:
            return Reply(status=fault, body={"message": "not now"}, headers={"Retry-After": "1"})
        reply = self.real(request)
        if fault == "hang":
            self.hanging.set()
            return replace(reply, hold=self._over)
        return Reply(status=502) if fault == "lost" else reply

    def real(self, request: Request) -> Reply:
        """Made by the fake."""
        raise NotImplementedError


class LangSmithKeyServer(FaultyServer):
    """Keys of one workspace by id; `ended` are those that were deleted. A key makes and deletes
    others, and must not delete itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, dict[str, Any]] = {}
        self.ended: list[str] = []
        self.most_days: int | None = None
        self._count = 0
        self.first = self.make("by hand")["key"]

    def make(self, description: str, expires_at: str | None = None) -> dict[str, Any]:
        """A key; its value is told here only."""
        self._count += 1
        value = f"lsv2_sk_{self._count:032x}_{self._count:010x}"
        identifier = f"7d1a6f0e-0000-4000-8000-{self._count:012x}"
        self.keys[identifier] = {
            "id": identifier,
            "short_key": f"{value[:8]}...{value[-4:]}",
            "description": description,
            "created_at": "2026-01-01T00:00:00Z",
            "expires_at": expires_at,
            "last_used_at": None,
            "revoked_at": None,
            "value": value,
        }
        return {**_told(self.keys[identifier]), "key": value}

    def values(self) -> list[str]:
        """Of all keys that are good."""
        return [item["value"] for item in self.keys.values()]

    def real(self, request: Request) -> Reply:
        used = request.headers.get("x-api-key", "")
        if used not in self.values():
            return Reply(status=401, body={"detail": "Invalid token"})
        if (request.method, request.path) == ("GET", "/sessions"):
            return Reply(body=[])
        if request.path == "/api/v1/orgs/current/info":
            return Reply(body={"max_service_key_expiry_days": self.most_days})
        match = _LANGSMITH_PATH.fullmatch(request.path)
        if match is None:
            return Reply(status=404, body={"detail": "Not Found"})
        return self._keys(request, match[2], used)

    def _keys(self, request: Request, identifier: str | None, used: str) -> Reply:
        if request.method == "GET":
            return Reply(body=[_told(item) for item in self.keys.values()])
        if request.method == "POST":
            expires_at = request.json.get("expires_at")
            if self.most_days is not None and expires_at is None:
                return Reply(status=400, body={"detail": "expires_at is required"})
            return Reply(body=self.make(request.json["description"], expires_at))
        assert request.method == "DELETE"
        found = self.keys.get(identifier or "")
        if found is None:
            return Reply(status=404, body={"detail": "Not Found"})
        assert found["value"] != used, "a key deleted itself"
        del self.keys[found["id"]]
        self.ended.append(found["id"])
        return Reply(body={"id": found["id"]})


class SupabaseManagement(FaultyServer):
    """API keys and signing keys of the project `acmeproject`, and its Auth server's settings.

    Signing keys: one in use, one on standby at most. A key that was put on standby less than
    `settle_s` ago, by `now`, must not be put into use; one that was in use until less than
    `settle_s` ago must not be revoked.
    """

    ref = "acmeproject"

    def __init__(self, now: Callable[[], float] = time.time, *, settle_s: float = 0.0) -> None:
        super().__init__()
        self.api_keys: dict[str, dict[str, Any]] = {}
        self.signing: dict[str, dict[str, Any]] = {}
        self._now = now
        self._settle_s = settle_s
        self._count = 0
        self.first = self._make({"type": "secret", "name": "default"})["api_key"]
        self._make_signing("in_use")

    def real(self, request: Request) -> Reply:
        if request.path == "/auth/v1/settings":
            good = request.headers.get("apikey") in [
                item["api_key"] for item in self.api_keys.values()
            ]
            return Reply(body={}) if good else Reply(status=401, body={"message": "Invalid key"})
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(status=401, body={"message": "Unauthorized"})
        match = _SUPABASE_PATH.fullmatch(request.path)
        if match is None or match[1] != self.ref:
            return Reply(status=404, body={"message": "Project not found"})
        if match[2] == "api-keys":
            return self._api_keys(request, match[3])
        return self._signing_keys(request, match[3])

    def _api_keys(self, request: Request, identifier: str | None) -> Reply:
        shown = request.query.get("reveal") == "true"
        if request.method == "GET":
            items = [_masked(item, shown=shown) for item in self.api_keys.values()]
            return Reply(body=items)
        if request.method == "POST":
            taken = [item["name"] for item in self.api_keys.values()]
            name = request.json["name"]
            if not _NAME.fullmatch(name) or name in taken:
                return Reply(status=400, body={"message": "name is not usable"})
            return Reply(status=201, body=_masked(self._make(request.json), shown=shown))
        assert request.method == "DELETE"
        if self.api_keys.pop(identifier or "", None) is None:
            return Reply(status=404, body={"message": "API key not found"})
        return Reply(body={"id": identifier})

    def _make(self, told: dict[str, Any]) -> dict[str, Any]:
        self._count += 1
        made = {
            **told,
            "id": f"00000000-0000-4000-8000-{self._count:012x}",
            "api_key": f"sb_{told['type']}_{self._count:031x}",
        }
        self.api_keys[made["id"]] = made
        return made

    def _signing_keys(self, request: Request, identifier: str | None) -> Reply:
        if request.method == "GET":
            return Reply(body={"keys": list(self.signing.values())})
        if request.method == "POST":
            if self._with("standby"):
                return Reply(status=400, body={"message": "there is a standby key already"})
            assert request.json["status"] == "standby"
            return Reply(status=201, body=self._make_signing("standby"))
        assert request.method == "PATCH"
        found = self.signing.get(identifier or "")
        if found is None:
            return Reply(status=404, body={"message": "not found"})
        return self._change(found, request.json["status"])

    def _change(self, key: dict[str, Any], status: str) -> Reply:
        too_soon = self._now() - key["changed"] < self._settle_s
        if status == "in_use":
            assert not (key["status"] == "standby" and too_soon), "nobody knows that key yet"
            for other in self._with("in_use"):
                other.update(status="previously_used", changed=self._now())
        if status == "revoked":
            assert key["status"] != "in_use", "sessions are signed with that key"
            early = key["status"] == "previously_used" and too_soon
            assert not early, "sessions that are signed with that key still live"
        key.update(status=status, changed=self._now())
        return Reply(body=key)

    def _make_signing(self, status: str) -> dict[str, Any]:
        self._count += 1
        identifier = f"00000000-0000-4000-9000-{self._count:012x}"
        made = {"id": identifier, "algorithm": "ES256", "status": status, "changed": self._now()}
        self.signing[identifier] = made
        return made

    def _with(self, status: str) -> list[dict[str, Any]]:
        return [item for item in self.signing.values() if item["status"] == status]

    def statuses(self) -> list[str]:
        """Of the signing keys, the oldest first."""
        return [item["status"] for item in self.signing.values()]


def _told(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name != "value"}


def _masked(key: dict[str, Any], *, shown: bool) -> dict[str, Any]:
    return key if shown else {**key, "api_key": key["api_key"][:14] + "·" * 8}
