"""What a checked `[rotate.NAME]` holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

RotateProvider = Literal[
    "langsmith", "supabase-api-key", "supabase-signing-key", "configu", "exec", "prompt"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LangSmithKeyConfig:
    """Keys of a LangSmith server ("": the usual one), made and deleted with what `admin_secret`
    holds, or if that is "" with the keys themselves.
    """

    endpoint: str
    sort: str
    workspace: str
    organization: str
    admin_secret: str
    expires_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SupabaseKeyConfig:
    """A project's keys; `access_token_secret` holds an access token of the Management API."""

    ref: str
    access_token_secret: str
    url: str = ""
    kind: str = "secret"
    algorithm: str = "ES256"
    management_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksConfig:
    """Commands, each an absolute path and its arguments."""

    create: tuple[str, ...]
    revoke: tuple[str, ...]
    find: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishConfig:
    """`[rotate.NAME.configu]`: the config that others get the value from."""

    org: str
    token_secret: str
    set: str
    key: str
    endpoint: str
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateConfig:
    """`[rotate.NAME]`.

    Attributes:
        secret: whose value is rotated; "" where the keys have none that leaves the provider.
        grace_s: how long the old key stays good after the switch.
        verify: a command that a new value has to please; () for none.
        pass_env, timeout_s: of all commands.
        on_switch: what becomes of programs that have the old value: "restart", "leave", or
            "signal:NAME".
        remind_after_s: at which age a value should be rotated; None for never.
        length: bytes of a random value.
        write_back: a new value is written to the project's Configu, `[configu]`.
    """

    name: str
    provider: RotateProvider
    secret: str
    grace_s: float
    verify: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()
    timeout_s: float = 30.0
    on_switch: str = "leave"
    remind_after_s: float | None = None
    length: int = 32
    write_back: bool = False
    langsmith: LangSmithKeyConfig | None = None
    supabase: SupabaseKeyConfig | None = None
    hooks: HooksConfig | None = None
    publish: PublishConfig | None = None
