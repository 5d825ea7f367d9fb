"""The secret store: whether it opens, and keeps what the configuration names. Never a value."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.config.model import TOKEN_PREFIX, Config
from gateway.doctor.finding import Finding
from gateway.doctor.secret_names import secrets_named
from identity.errors import IdentityError
from identity.secret_stores.base import SecretStore

#: A store may ask a person, who is given some time.
_STORE_S: Final = 45.0
_READY: Final = "ready"


def as_gateway_sees_them(listed: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """The findings from `secrets` of `GET /status`; tokens are a rung of their own."""
    secrets = [item for item in listed if not str(item["name"]).startswith(TOKEN_PREFIX)]
    if not secrets:
        return [_good("the running gateway needs no secret")]
    problems = list(_problems(secrets))
    if problems:
        return problems
    names = ", ".join(dict.fromkeys(str(item["name"]) for item in secrets))
    return [_good(f"the running gateway has read {names}")]


def _problems(listed: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    routes: dict[str, list[str]] = {}
    for item in listed:
        if item["state"] != _READY:
            routes.setdefault(f"{item['name']}: {item['state']}", []).append(str(item["route"]))
    for text, names in routes.items():
        yield _bad(
            f"{text} (for {', '.join(names)})",
            "devwiz-gw secret list says what is kept, or how to unlock it; "
            "the gateway reads anew by itself",
        )


class Unusable(Exception):
    """The store can't be asked; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.detail)
        self.finding = finding


async def examine(
    config: Config, store: SecretStore, *, only: Collection[str] = ()
) -> list[Finding]:
    """The findings from the store itself about all secrets, or only these. Raises `Unusable`."""
    kind, named = config.secrets.store, secrets_named(config)
    if only:
        named = {name: owners for name, owners in named.items() if name in only}
    if kind == "memory":
        return [_good("the memory store begins empty with each start")]
    if not named:
        return [_good(f"no secret is needed; the {kind} isn't asked")]
    try:
        async with asyncio.timeout(_STORE_S):
            kept = set(await store.names(config.project))
    except TimeoutError:
        finding = _bad(f"the {kind} did not answer in {_STORE_S:g} s", "is somebody asked there?")
        raise Unusable(finding) from None
    except IdentityError as error:
        remedy = error.own_hint or f"the {kind} has to be unlocked, and this project's own"
        raise Unusable(_bad(f"the {kind} can't be used: {error}", remedy)) from error
    missing = {name: owners for name, owners in named.items() if name not in kept}
    if not missing:
        return [_good(f"the {kind} opens, and keeps {', '.join(named)}")]
    return [
        _bad(
            f"the {kind} opens, and has no secret {name} (for {', '.join(owners)})",
            f"devwiz-gw secret set {name}",
        )
        for name, owners in missing.items()
    ]


def _good(detail: str) -> Finding:
    return Finding(rung="secrets", result="pass", detail=detail)


def _bad(detail: str, remedy: str) -> Finding:
    return Finding(rung="secrets", result="fail", detail=detail, remedy=remedy)
