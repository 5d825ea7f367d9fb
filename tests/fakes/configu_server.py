"""Configu's API for tests: both verbs of /config, for those with a token of the organization."""

from __future__ import annotations

from typing import Any

from tests.fakes.http_thread import HttpThread, Reply, Request

ORG = "7d1a6f0e-0000-4000-8000-00000000000a"
TOKEN = "configu-token-of-the-tests"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"
QUEUE = "https://app.configu.com/queue"
#: Tables of a project that only syncs: every configuration has a route.
UNUSED_ROUTE = """
[identity]
source = "spiffe"
[[routes]]
name = "planner"
listen = "127.0.0.1:0"
upstream = "https://planner.example.com"
"""


class ConfiguServer(HttpThread):
    """Keeps configs by set and key.

    Attributes:
        tagged: configs as they were when a tag was given.
        protected: sets whose changes wait for approval.
        waiting: what waits.
        fails: a status that is answered to everything, with `Retry-After: 7`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.configs: dict[tuple[str, str], str] = {}
        self.tagged: dict[str, dict[tuple[str, str], str]] = {}
        self.protected: set[str] = set()
        self.waiting: list[dict[str, Any]] = []
        self.fails = 0

    def table(self, schema: str, *more: str) -> str:
        """`[configu]` of a project that comes here, with `more` lines."""
        lines = (f'url = "{self.url}"', f'org = "{ORG}"', f'schemas = ["{schema}"]', *more)
        return "\n".join(("[configu]", *lines, ""))

    def answer(self, request: Request) -> Reply:
        if self.fails:
            return Reply(status=self.fails, body={}, headers={"Retry-After": "7"})
        token, bearer = request.headers.get("token"), request.headers.get("authorization")
        if (token, bearer) not in {(TOKEN, None), (None, f"Bearer {JWT}")}:
            return Reply(status=401, body={"message": "Unauthorized"})
        if request.headers.get("org") != ORG:
            return Reply(status=403, body={"message": "Forbidden"})
        assert request.path == "/config"
        assert request.headers["source"] == "sdk"
        assert request.headers["content-type"].startswith("application/json")
        if request.method == "POST":
            return self._get(request)
        assert request.method == "PUT"
        return self._set(request.json["configs"])

    def _get(self, request: Request) -> Reply:
        tag = request.query.get("tag")
        configs = self.configs if tag is None else self.tagged.get(tag, {})
        asked = [(query["set"], query["key"]) for query in request.json["queries"]]
        found = [
            {"set": name, "key": key, "value": configs[name, key]}
            for name, key in asked
            if (name, key) in configs
        ]
        return Reply(body=found)

    def _set(self, configs: list[dict[str, Any]]) -> Reply:
        pending = [config for config in configs if config["set"] in self.protected]
        if pending:
            self.waiting += pending
            return Reply(status=202, body={"diff": {"pending": pending}, "queueUrl": QUEUE})
        for config in configs:
            place = config["set"], config["key"]
            if config["value"] == "":
                self.configs.pop(place, None)
            else:
                self.configs[place] = config["value"]
        return Reply(body={})
