"""Where credentials are, and the ways to join an issuer by them, as a configuration says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CredentialRef:
    """Where a token or a key is read from when it is needed."""

    kind: Literal["file", "env", "secret"]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlToken:
    """An identity token that is asked for at an address; `bearer` goes into Authorization, and
    `member` is the JSON member that has the token, "" where the answer is the token.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    bearer: CredentialRef | None
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandToken:
    """An identity token that a program prints; `member` as in `UrlToken`."""

    arguments: tuple[str, ...]
    member: str


TokenSource = CredentialRef | UrlToken | CommandToken


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTokenConfig:
    """`token_rule` and `id_token_…`: joins by a provider's tokens."""

    rule: str
    source: TokenSource


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundKeyConfig:
    """`bound_rule` and `bound_key_…`: joins by a key of this machine; `registration` gives the
    secret that binds it.
    """

    rule: str
    key: CredentialRef
    registration: CredentialRef | None
