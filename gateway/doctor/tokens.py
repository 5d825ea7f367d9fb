"""The token sources: whether each gives one, or has given one to the running gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.config.model import TOKEN_PREFIX, Config
from gateway.control_plane.token_feed import TokenFeed
from gateway.doctor.finding import Finding, skipped

_READY: Final = "ready"
_REMEDY: Final = (
    "see [tokens.NAME] in the configuration; devwiz-gw login --status tells of sessions"
)


def as_gateway_sees_them(config: Config, listed: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """The findings from `secrets` of `GET /status`."""
    states = {
        str(item["name"]).removeprefix(TOKEN_PREFIX): str(item["state"])
        for item in listed
        if str(item["name"]).startswith(TOKEN_PREFIX)
    }
    return _each(config, {name: "" if said == _READY else said for name, said in states.items()})


def as_asked(config: Config, feed: TokenFeed, used: Iterable[str]) -> list[Finding]:
    """The findings from sources that were asked just now."""
    return _each(config, {name: feed.problem(name) for name in used})


def _each(config: Config, problems: Mapping[str, str]) -> list[Finding]:
    if not config.tokens:
        return [Finding(rung="tokens", result="pass", detail="no token is needed")]
    return [_one(token.name, problems) for token in config.tokens]


def _one(name: str, problems: Mapping[str, str]) -> Finding:
    if name not in problems:
        return skipped("tokens", "no route refers to it", about=name)
    if not problems[name]:
        return Finding(rung="tokens", about=name, result="pass", detail="there is one")
    return Finding(rung="tokens", about=name, result="fail", detail=problems[name], remedy=_REMEDY)
