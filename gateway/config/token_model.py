"""What a checked `[tokens.NAME]` holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.config.join_ways import CredentialRef


@dataclass(frozen=True, slots=True, kw_only=True)
class SupabaseTokenConfig:
    """`[tokens.NAME]` with source "supabase": the session that `login supabase` began.

    `url` is the project's; `publishable_key` goes with every request, and is no secret.
    """

    name: str
    url: str
    publishable_key: str
    audience: str
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClientConfig:
    """Who asks a token endpoint; a public client has no `secret`."""

    id: str
    secret: CredentialRef | None
    method: Literal["basic", "post"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentialsConfig:
    """`[tokens.NAME]` with source "client-credentials": RFC 6749 section 4.4."""

    name: str
    token_url: str
    client: OAuthClientConfig
    scope: str
    audience: str
    resource: str
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenExchangeConfig:
    """`[tokens.NAME]` with source "token-exchange": RFC 8693."""

    name: str
    token_url: str
    client: OAuthClientConfig | None
    scope: str
    audience: str
    resource: str
    ca_file: Path | None
    subject: CredentialRef
    subject_type: str
    requested_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleTokenConfig:
    """`[tokens.NAME]` with source "google": an ID token for `audience`, or an access token with
    `scopes` where that is "".
    """

    name: str
    credential_file: Path
    audience: str
    scopes: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    ca_file: Path | None
    allow_executables: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecTokenConfig:
    """`[tokens.NAME]` with source "exec": what a program prints. `pass_env` names variables."""

    name: str
    command: tuple[str, ...]
    pass_env: tuple[str, ...]
    timeout_s: float
    refresh_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTokenConfig:
    """`[tokens.NAME]` with source "file": what somebody else writes into a file."""

    name: str
    path: Path


TokenConfig = (
    SupabaseTokenConfig
    | ClientCredentialsConfig
    | TokenExchangeConfig
    | GoogleTokenConfig
    | ExecTokenConfig
    | FileTokenConfig
)
