"""Taking a project's secrets from Configu into its store, and writing one back."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from gateway.audit.journal import Journal
from gateway.config.model import ConfiguConfig
from gateway.configu.contact import Contact
from gateway.configu.contact_file import read_contact, write_contact
from gateway.configu.schema_files import read_schemas
from identity.configu import sync_state
from identity.configu.bounded_check import BoundedCheck
from identity.configu.client import ConfiguClient, PendingApproval
from identity.configu.comparison import WRITTEN, Finding, after, compare, local_findings
from identity.configu.config_set import ConfigSet, effective
from identity.configu.schema import Schema, evaluated, problems
from identity.configu.sync_state import Synced, SyncState, state_ref, token_ref
from identity.errors import (
    ConfigRefused,
    InvalidSecretName,
    InvalidSecretValue,
    NotPublished,
    SecretNotFound,
    TokenError,
    TokenUnavailable,
    TouchNeeded,
)
from identity.machine_lock import machine_lock
from identity.secret_stores.base import Secret, SecretRef, SecretStore, check_value

_LOCK_S: Final = 30.0
#: Reason of the events by which values from Configu are written.
_REASON: Final = "configu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a project's sync keeps what isn't secret; `lock` is held by one process at a time."""

    lock: Path
    contact: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a sync found, by name; `written` are those that are in the store now. `unchecked` are
    configs with tests that only Configu's own client can run.
    """

    findings: tuple[Finding, ...]
    written: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of a value that was written to Configu. A pending one doesn't count before it is
    approved, at `queue_url`; the store's own value stays as it is meanwhile.
    """

    state: Literal["stored", "pending"]
    queue_url: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class _Local:
    """What the store has; sealed values are only known to be there."""

    values: dict[str, str] = field(default_factory=dict)
    sealed: set[str] = field(default_factory=set)


class ConfiguSync:
    """The secrets of one project, as `[configu]` says.

    Every call that writes holds the project's lock, and has each write in the journal. The methods
    raise `TokenUnavailable` and `TokenDenied` for Configu, `InvalidConfigSchema` for the schemas,
    and what a store raises.
    """

    def __init__(
        self,
        config: ConfiguConfig,
        project: str,
        *,
        store: SecretStore,
        journal: Journal,
        place: Place,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._project = project
        self._store = store
        self._journal = journal
        self._place = place
        self._now = now
        self._hierarchy = ConfigSet(config.set).hierarchy

    async def pull(self, *, take: Collection[str] = (), dry_run: bool = False) -> Report:
        """Take in what Configu has. A value that somebody set in the store is left, unless `take`
        names it; nothing at all is written in a `dry_run`.
        """
        async with machine_lock(self._place.lock, timeout_s=_LOCK_S):
            return await self._pull(take, dry_run=dry_run)

    async def local(self) -> Report:
        """How the store stands to what was taken in last; Configu isn't asked."""
        state = await self._state()
        local = await self._local(state.synced)
        return Report(findings=tuple(local_findings(state, local.values, local.sealed)))

    async def taken(self) -> list[str]:
        """The secrets whose values came from Configu; what somebody set since isn't among them."""
        report = await self.local()
        return [item.name for item in report.findings if item.kind in {"same", "stale"}]

    async def contact(self) -> Contact:
        """When Configu was asked last."""
        return await asyncio.to_thread(read_contact, self._place.contact)

    async def publish(self, name: str, value: Secret) -> Published:
        """Write `value` to Configu, read it back and compare. The store is left as it is: who
        changes a secret sets it there first.

        Raises:
            ConfigRefused: no schema declares `name`, or the value is none for it; `CheckTooSlow`
                where nobody can say that in time.
            NotPublished: Configu took it, and has another value for it.
        """
        schema = await asyncio.to_thread(read_schemas, self._config.schemas)
        await asyncio.to_thread(_refuse, schema, name, value)
        async with machine_lock(self._place.lock, timeout_s=_LOCK_S):
            async with self._noted("configu.publish", name):
                published = await self._publish(name, value)
            await self._remember(name, value, published)
        return published

    async def given(self, name: str) -> Secret | None:
        """What Configu gives for `name` now; None for nothing."""
        return await self._given(self._client(await self._token()), name)

    async def forget(self) -> None:
        """Forget what was taken in when; the values stay in the store."""
        async with (
            machine_lock(self._place.lock, timeout_s=_LOCK_S),
            self._noted("configu.forget", ""),
        ):
            await self._store.delete(state_ref(self._project))

    async def check_token(self, token: Secret) -> int:
        """How many values Configu has for the schemas; the token needn't be kept yet."""
        schema = await asyncio.to_thread(read_schemas, self._config.schemas)
        return len(effective(await self._ask(schema, token), self._hierarchy, schema))

    # -- taking in -------------------------------------------------------------------------------

    async def _pull(self, take: Collection[str], *, dry_run: bool) -> Report:
        schema = await asyncio.to_thread(read_schemas, self._config.schemas)
        state = await self._state()
        remote = evaluated(schema, await self._answer(schema))
        local = await self._local({*schema, *state.synced})
        findings = await asyncio.to_thread(_findings, schema, state, remote, local, take)
        unchecked = tuple(name for name, cfgu in sorted(schema.items()) if cfgu.unchecked)
        if dry_run:
            return Report(findings=tuple(findings), unchecked=unchecked)
        written = [item.name for item in findings if item.kind in WRITTEN]
        if written:
            # First of all what is coming: a process that is killed after a value was set, and
            # before it could be remembered, must not leave it as if a person had set it.
            coming = after(state, findings, remote, is_done=False)
            await self._keep(replace(state, synced=coming), state)
            for name in written:
                await self._set(name, Secret(remote[name]))
        done = after(state, findings, remote, is_done=True)
        if written or done != state.synced:
            await self._keep(replace(state, synced=done), None)
        return Report(findings=tuple(findings), written=tuple(written), unchecked=unchecked)

    async def _answer(self, schema: Schema) -> dict[str, str]:
        """What Configu has; when it was asked is written down, whatever comes of it."""
        asked_at = self._now()
        before = await self.contact()
        try:
            found = await self._ask(schema, await self._token())
        except TokenError as error:
            told = replace(before, asked_at=asked_at, problem=str(error))
            await self._note_contact(told)
            raise
        await self._note_contact(Contact(asked_at=asked_at, answered_at=self._now()))
        return effective(found, self._hierarchy, schema)

    async def _ask(self, schema: Schema, token: Secret) -> dict[tuple[str, str], str]:
        keys = [key for key, cfgu in schema.items() if not cfgu.computed]
        return await self._client(token).get(self._hierarchy, keys, tag=self._config.tag)

    async def _note_contact(self, contact: Contact) -> None:
        try:
            await asyncio.to_thread(write_contact, self._place.contact, contact)
        except OSError as error:
            raise TokenUnavailable(
                f"{self._place.contact} can't be written: {(error.strerror or '').lower()}",
                hint="check the folder's mode and the free space",
            ) from error

    # -- writing back ----------------------------------------------------------------------------

    async def _publish(self, name: str, value: Secret) -> Published:
        client = self._client(await self._token())
        sent: object = None
        try:
            sent = await client.upsert({(self._config.set, name): value.reveal()})
        except TokenUnavailable:
            # It may have arrived all the same: only reading it back tells.
            if not await self._has(client, name, value):
                raise
        if isinstance(sent, PendingApproval):
            return Published(state="pending", queue_url=sent.queue_url)
        if not await self._has(client, name, value):
            raise NotPublished(
                f"Configu took {name}, and has another value for it",
                hint="did somebody else write it at the same time? see: devwiz-gw sync --dry-run",
            )
        return Published(state="stored")

    async def _has(self, client: ConfiguClient, name: str, value: Secret) -> bool:
        given = await self._given(client, name)
        return given is not None and given.reveal() == value.reveal()

    async def _given(self, client: ConfiguClient, name: str) -> Secret | None:
        found = await client.get(self._hierarchy, [name])
        value = effective(found, self._hierarchy, [name]).get(name)
        return None if value is None else Secret(value)

    async def _remember(self, name: str, value: Secret, published: Published) -> None:
        state = await self._state()
        mark = state.fingerprint(name, value.reveal())
        old = state.synced.get(name, Synced())
        is_pending = published.state == "pending"
        item = replace(old, pending=mark) if is_pending else Synced(value=mark)
        await self._keep(replace(state, synced={**state.synced, name: item}), None)

    # -- the store -------------------------------------------------------------------------------

    async def _token(self) -> Secret:
        try:
            return await self._store.get(token_ref(self._project))
        except SecretNotFound:
            raise SecretNotFound(
                "there is no token for Configu", hint="run: devwiz-gw login configu"
            ) from None

    def _client(self, token: Secret) -> ConfiguClient:
        config = self._config
        return ConfiguClient(
            org=config.org, token=token, endpoint=config.url, ca_file=config.ca_file
        )

    async def _state(self) -> SyncState:
        try:
            return sync_state.decode(await self._store.get(state_ref(self._project)))
        except SecretNotFound:
            return SyncState(key=secrets.token_bytes(32))

    async def _keep(self, state: SyncState, before: SyncState | None) -> None:
        """Keep the state. `before` is the one that stands, where nothing is written yet."""
        value = sync_state.encode(state)
        try:
            check_value(value)
        except InvalidSecretValue:
            raise ConfigRefused(
                f"{len(state.synced)} configs are more than can be remembered",
                hint="declare fewer of them in the schemas of this project",
            ) from None
        if before is None or state.synced != before.synced:
            await self._store.set(state_ref(self._project), value)

    async def _local(self, names: Iterable[str]) -> _Local:
        kept = set(await self._store.names(self._project)).intersection(names)
        local = _Local()
        for name in sorted(kept):
            try:
                local.values[name] = (
                    await self._store.get(SecretRef(self._project, name))
                ).reveal()
            except TouchNeeded:
                local.sealed.add(name)
        return local

    async def _set(self, name: str, value: Secret) -> None:
        async with self._noted("secret.write", name):
            await self._store.set(SecretRef(self._project, name), value)

    @asynccontextmanager
    async def _noted(self, action: str, name: str) -> AsyncIterator[None]:
        """`Journal.around`, whose writes to the disk wait in a thread."""
        around = self._journal.around(action, name=name, reason=_REASON)
        await asyncio.to_thread(around.__enter__)
        try:
            yield
        except BaseException:
            await asyncio.to_thread(around.__exit__, *sys.exc_info())
            raise
        await asyncio.to_thread(around.__exit__, None, None, None)


def _findings(
    schema: Schema,
    state: SyncState,
    remote: Mapping[str, str],
    local: _Local,
    take: Collection[str],
) -> list[Finding]:
    with BoundedCheck() as check:
        wrong = problems(schema, remote, check)
    return compare(
        state,
        remote=remote,
        local=local.values,
        sealed=local.sealed,
        names=schema,
        problems={**wrong, **_not_kept(remote)},
        computed={name: cfgu.computed for name, cfgu in schema.items() if cfgu.computed},
        take=take,
    )


def _not_kept(values: Mapping[str, str]) -> dict[str, str]:
    """Why no store keeps a value, or a secret of that name."""
    found: dict[str, str] = {}
    for name, value in values.items():
        try:
            SecretRef("any", name)
            check_value(Secret(value))
        except (InvalidSecretName, InvalidSecretValue) as error:
            found[name] = str(error)
    return found


def _refuse(schema: Schema, name: str, value: Secret) -> None:
    cfgu = schema.get(name)
    if cfgu is None:
        raise ConfigRefused(f"no schema declares {name}", hint="add it to one under [configu]")
    text = value.reveal()
    problem = cfgu.computed or ("its declaration has the value" if cfgu.fixed else "")
    problem = problem or _not_kept({name: text}).get(name, "")
    if not problem:
        with BoundedCheck() as check:
            problem = check(cfgu, text)
    if problem:
        raise ConfigRefused(f"{name} can't be written to Configu: {problem}")
