"""From a table `[rotate.NAME]` to what its rotation works with."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.audit.event import Event
from gateway.audit.journal import Journal
from identity.errors import TokenDenied
from identity.program import PASSED
from identity.rotation.base import Check, Provider, Publisher, ReadSecret
from identity.secret_stores.base import Secret, SecretRef, SecretStore

if TYPE_CHECKING:
    from gateway.config.model import ConfiguConfig
    from gateway.config.rotate_model import LangSmithKeyConfig, RotateConfig, SupabaseKeyConfig
    from gateway.configu.sync import ConfiguSync


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOpener:
    """Opens providers; their credentials are read from `store`, and each use is on paper first."""

    project: str
    store: SecretStore
    journal: Journal
    env: Mapping[str, str]
    configu: ConfiguConfig | None = None

    def __call__(self, wanted: RotateConfig, typed: Secret | None, old_key: str) -> Provider:
        """What the rotation needs; `typed` is a value that a person gave, `old_key` the name of
        the key in use, as far as it is known. Raises `TokenDenied`.
        """
        checks = self._command_checks(wanted)
        if wanted.langsmith is not None:
            return self._langsmith(wanted, wanted.langsmith, checks)
        if wanted.supabase is not None:
            return self._supabase(wanted, wanted.supabase, checks)
        from identity.rotation.local import ExecKeys, Hooks, Made

        if wanted.hooks is not None:
            hooks = Hooks(
                create=wanted.hooks.create,
                revoke=wanted.hooks.revoke,
                find=wanted.hooks.find,
                env=self._env(wanted),
                timeout_s=wanted.timeout_s,
            )
            remote = ExecKeys(hooks, old_key=old_key)
            return Provider(remote=remote, checks=checks, publisher=self._publisher(wanted))
        make = _random(wanted.length) if wanted.provider == "configu" else _Typed(typed)
        return Provider(remote=Made(make), checks=checks, publisher=self._publisher(wanted))

    def _langsmith(
        self, wanted: RotateConfig, found: LangSmithKeyConfig, checks: tuple[Check, ...]
    ) -> Provider:
        from identity.langsmith import DEFAULT_ENDPOINT, LangSmith
        from identity.rotation.langsmith import LangSmithKeys

        address = found.endpoint or DEFAULT_ENDPOINT
        server = LangSmith(address)
        admin = self._reader(found.admin_secret, wanted.name) if found.admin_secret else None
        keys = LangSmithKeys(
            address,
            sort=found.sort,
            workspace=found.workspace,
            organization=found.organization,
            admin=admin,
            expires_s=found.expires_s,
        )

        async def check(value: Secret) -> None:
            await server.check(value, workspace=found.workspace)

        return Provider(remote=keys, checks=(check, *checks), publisher=self._publisher(wanted))

    def _supabase(
        self, wanted: RotateConfig, found: SupabaseKeyConfig, checks: tuple[Check, ...]
    ) -> Provider:
        from identity.rotation.supabase import (
            MANAGEMENT,
            STANDBY_S,
            ApiKeyProbe,
            ApiKeys,
            Management,
            SigningKeys,
        )

        read = self._reader(found.access_token_secret, wanted.name)
        management = Management(found.management_url or MANAGEMENT, found.ref, read)
        if wanted.provider == "supabase-signing-key":
            signing = SigningKeys(management, algorithm=found.algorithm)
            return Provider(remote=signing, activate=signing.activate, settle_s=STANDBY_S)
        return Provider(
            remote=ApiKeys(management, kind=found.kind),
            checks=(ApiKeyProbe(found.url), *checks),
            publisher=self._publisher(wanted),
        )

    def _publisher(self, wanted: RotateConfig) -> Publisher | None:
        if wanted.write_back:
            return self._write_back(wanted)
        if wanted.publish is None:
            return None
        return _LatePublisher(wanted, self._reader(wanted.publish.token_secret, wanted.name))

    def _write_back(self, wanted: RotateConfig) -> Publisher:
        from gateway.configu.open import open_sync

        if self.configu is None:
            raise TokenDenied(
                f"[rotate.{wanted.name}] writes back to Configu, and there is none",
                hint="add [configu], or leave write_back out",
            )
        sync = open_sync(
            self.configu, self.project, store=self.store, journal=self.journal, env=self.env
        )
        return SyncedPublisher(sync, wanted.secret)

    def _command_checks(self, wanted: RotateConfig) -> tuple[Check, ...]:
        if not wanted.verify:
            return ()
        from identity.rotation.local import ExecCheck

        return (ExecCheck(wanted.verify, env=self._env(wanted), timeout_s=wanted.timeout_s),)

    def _env(self, wanted: RotateConfig) -> dict[str, str]:
        return {name: self.env[name] for name in (*PASSED, *wanted.pass_env) if name in self.env}

    def _reader(self, name: str, rotation: str) -> ReadSecret:
        async def read() -> Secret:
            event = Event(
                action="secret.use", outcome="ok", name=name, reason=f"[rotate.{rotation}]"
            )
            await asyncio.to_thread(self.journal.write, event)
            return await self.store.get(SecretRef(self.project, name))

        return read


class SyncedPublisher:
    """A `Publisher` into the Configu that the project's secrets are taken from."""

    def __init__(self, sync: ConfiguSync, secret: str) -> None:
        self._sync = sync
        self._secret = secret

    async def publish(self, value: Secret) -> str:
        """See `Publisher.publish`."""
        published = await self._sync.publish(self._secret, value)
        return (published.queue_url or "Configu") if published.state == "pending" else ""

    async def given(self) -> Secret | None:
        """See `Publisher.given`."""
        return await self._sync.given(self._secret)


class _Typed:
    """Gives what a person typed."""

    def __init__(self, value: Secret | None) -> None:
        self._value = value

    def __call__(self) -> Secret:
        if self._value is None:
            raise TokenDenied(
                "the new value has to be typed in",
                hint="give it to devwiz-gw rotate NAME --resume, at the prompt or on its input",
            )
        return self._value


def _random(length: int) -> _Typed:
    return _Typed(Secret(secrets.token_urlsafe(length)))


class _LatePublisher:
    """A publisher whose token is read when it is needed, and not kept."""

    def __init__(self, wanted: RotateConfig, read_token: ReadSecret) -> None:
        self._wanted = wanted
        self._read_token = read_token

    async def publish(self, value: Secret) -> str:
        """See `Publisher.publish`."""
        return await (await self._open()).publish(value)

    async def given(self) -> Secret | None:
        """See `Publisher.given`."""
        return await (await self._open()).given()

    async def _open(self) -> Publisher:
        from identity.configu.client import ConfiguClient
        from identity.configu.config_set import DEFAULT_ENDPOINT
        from identity.rotation.configu import ConfiguPublisher

        found = self._wanted.publish
        if found is None:
            raise TokenDenied("there is nowhere to publish the value")
        client = ConfiguClient(
            org=found.org,
            token=await self._read_token(),
            endpoint=found.endpoint or DEFAULT_ENDPOINT,
            ca_file=found.ca_file,
        )
        return ConfiguPublisher(client, (found.set, found.key))
