"""Who is signed in where, as the store has it: nobody is asked over a network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from gateway.cli.login_scope import LoginScope
from gateway.config.model import SupabaseTokenConfig
from identity.configu.sync_state import token_ref
from identity.errors import SecretNotFound, TokenDenied, TokenEnded
from identity.langsmith import KEY_NAME, kind_of
from identity.secret_stores.base import SecretRef, SecretStore
from identity.supabase.session import decode, session_ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One session or key; `until` is when its access token ends, RFC 3339."""

    name: str
    service: str
    state: str
    who: str = ""
    until: str = ""
    is_good: bool = True

    def as_dict(self) -> dict[str, object]:
        """For programs."""
        return asdict(self)


async def logins(scope: LoginScope) -> list[Login]:
    """All sessions that the configuration knows, and the LangSmith key that `login` keeps.

    Raises:
        StoreUnavailable: the store can't be asked.
    """
    tokens = [item for item in scope.config.tokens if isinstance(item, SupabaseTokenConfig)]
    async with scope.store() as store:
        found = [await _session(scope, store, token) for token in tokens]
        key = await _key(SecretRef(scope.project, KEY_NAME), store)
        configu = await _configu(scope, store)
    return [*found, *([key] if key else []), *configu]


async def _session(scope: LoginScope, store: SecretStore, token: SupabaseTokenConfig) -> Login:
    try:
        session = decode(await store.get(session_ref(scope.project, token.name)))
    except SecretNotFound:
        return Login(name=token.name, service="supabase", state="signed out", is_good=False)
    except TokenEnded as error:
        return Login(name=token.name, service="supabase", state=str(error), is_good=False)
    problem = session.ended
    if not problem and session.url != token.url:
        problem = f"it is a session of {session.url}"
    at = session.expires_at.astimezone(UTC)
    state = "signed in" if at > datetime.now(UTC) else "signed in, to be refreshed"
    return Login(
        name=token.name,
        service="supabase",
        state=problem or state,
        who=session.email or session.user_id,
        until="" if problem else at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        is_good=not problem,
    )


async def _configu(scope: LoginScope, store: SecretStore) -> list[Login]:
    if scope.config.configu is None:
        return []
    try:
        await store.get(token_ref(scope.project))
    except SecretNotFound:
        return [Login(name="configu", service="configu", state="signed out", is_good=False)]
    return [Login(name="configu", service="configu", state="holds a token")]


async def _key(ref: SecretRef, store: SecretStore) -> Login | None:
    try:
        kind = kind_of(await store.get(ref))
    except SecretNotFound:
        return None
    except TokenDenied as error:
        return Login(name=ref.name, service="langsmith", state=str(error), is_good=False)
    return Login(name=ref.name, service="langsmith", state=f"holds a {kind}")
