"""The routes' header values: secrets from the store and tokens from their sources, kept fresh."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from gateway.audit.event import Event
from gateway.audit.fingerprint import Fingerprints
from gateway.audit.journal import AuditFailed, Journal
from gateway.config.headers import fits_a_header
from gateway.config.model import TELEMETRY, TOKEN_PREFIX, AllowRule, Config, HeaderTemplate
from gateway.control_plane.credential_renewals import Renewal
from gateway.control_plane.snapshots import Attached
from gateway.control_plane.token_feed import TokenFeed
from gateway.control_plane.token_keeper import RENEW_EVERY_S
from gateway.control_plane.views import SecretView
from identity.errors import IdentityError, SecretNotFound, TouchNeeded
from identity.secret_stores.base import Secret, SecretRef, SecretStore

_LOG: Final = logging.getLogger(__name__)

#: How often values are read again, and how soon after one could not be read.
INTERVAL_S: Final = 30.0
RETRY_S: Final = 5.0


async def _nothing(_config: Config) -> Mapping[str, str]:
    return {}


class StoreHeaderFeed:
    """A `HeaderFeed` over one secret store and the tokens of one feed.

    A value that was read once stays in use while the store can't be asked; a secret that is gone
    from the store is gone from the route. Each first use of a value by a route is on paper, in
    the audit journal, before a worker gets it.
    """

    def __init__(
        self,
        config: Config,
        changed: Callable[[], None],
        *,
        store: SecretStore,
        tokens: TokenFeed,
        journal: Journal,
        outdated: Callable[[Config], Awaitable[Mapping[str, str]]] = _nothing,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`outdated` names secrets that may not be used any more, with why."""
        self._config = config
        self._changed = changed
        self._store = store
        self._tokens = tokens
        self._journal = journal
        self._outdated = outdated
        self._monotonic = monotonic
        self._renewed_at: dict[str, float] = {}
        self._again = asyncio.Event()
        self._marks = Fingerprints(journal.path.parent)
        self._values: dict[str, Secret] = {}
        self._problems: dict[str, str] = {}
        self._on_paper: dict[tuple[str, str], str] = {}
        self._attached: dict[str, Attached] = {}
        # A poll that is under way when a reload comes must not put the old routes back.
        self._turn = asyncio.Lock()

    @property
    def attached(self) -> Mapping[str, Attached]:
        """See `HeaderFeed.attached`."""
        return self._attached

    @property
    def secrets(self) -> tuple[SecretView, ...]:
        """See `HeaderFeed.secrets`."""
        return tuple(
            SecretView(name=name, route=owner.name, state=self._state(name))
            for owner in _owners(self._config)
            for name in (*_names(owner), *_local_tokens(owner))
        )

    async def prepare(self, config: Config) -> None:
        """See `HeaderFeed.prepare`. A store that can't be asked is asked once, not for each name:
        the deadline is that of one call.
        """
        async with self._turn:
            await self._take_over(config)

    async def _take_over(self, config: Config) -> None:
        owners = _owners(config)
        wanted = {name for owner in owners for name in (*_names(owner), *_local_tokens(owner))}
        tokens = {name for name in wanted if name.startswith(TOKEN_PREFIX)}
        await self._read_all(config, wanted - tokens)
        await self._tokens.use(config, {name.removeprefix(TOKEN_PREFIX) for name in tokens})
        attached = {owner.name: await self._attach(owner) for owner in owners}
        # Both at once, so that a reload which is given up on the way changes nothing.
        self._config, self._attached = config, attached
        for name in self._problems.keys() - wanted:
            del self._problems[name]

    async def _read_all(self, config: Config, names: Collection[str]) -> None:
        silent: IdentityError | None = None
        outdated = await self._outdated(config)
        for name in sorted(names):
            if why := outdated.get(name):
                self._values.pop(name, None)
                self._blame(name, f"the secret {name} is too old to be used: {why}")
                continue
            silent = await self._read(SecretRef(config.project, name), silent)

    async def renew(self, route: str) -> Renewal:
        """See `HeaderFeed.renew`."""
        before = self._attached
        names = {
            name for owner in _owners(self._config) if owner.name == route for name in _names(owner)
        }
        tokens = {name for name in names if name.startswith(TOKEN_PREFIX)}
        asked = await self._tokens.renew({name.removeprefix(TOKEN_PREFIX) for name in tokens})
        async with self._turn:
            due = {name for name in names - tokens if self._may_look_up(name)}
            if due:
                await self._read_all(self._config, due)
            await self._attach_all()
        if self._attached != before:
            self._changed()
        if self._attached.get(route) != before.get(route):
            return "renewed"
        return "unchanged" if asked or due else "too soon"

    def _may_look_up(self, name: str) -> bool:
        """Whether the store wasn't asked for it just now for the same reason; then it is now."""
        now = self._monotonic()
        if now - self._renewed_at.get(name, -inf) < RENEW_EVERY_S:
            return False
        self._renewed_at[name] = now
        return True

    async def _attach_all(self) -> None:
        owners = _owners(self._config)
        self._attached = {owner.name: await self._attach(owner) for owner in owners}

    def read_again(self) -> None:
        """See `HeaderFeed.read_again`."""
        self._again.set()

    async def refresh(self) -> None:
        """See `HeaderFeed.refresh`."""
        before = self._attached
        async with self._turn:
            await self._take_over(self._config)
        if self._attached != before:
            self._changed()

    async def run(self) -> None:
        """See `HeaderFeed.run`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tokens.run())
            tasks.create_task(self._follow_store())
            tasks.create_task(self._follow_tokens())

    async def _follow_store(self) -> None:
        while True:
            await self._turn_comes()
            await self.refresh()

    async def _turn_comes(self) -> None:
        """Until values are to be read again; a reload meanwhile may have brought one that is
        missing.
        """
        waited_s = 0.0
        while not self._again.is_set() and waited_s < (RETRY_S if self._problems else INTERVAL_S):
            pause_s = min(RETRY_S, INTERVAL_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._again.wait()
            waited_s += pause_s
        self._again.clear()

    async def _follow_tokens(self) -> None:
        """Put a token that changed into the headers; the store isn't asked for that."""
        while True:
            await self._tokens.changed.wait()
            self._tokens.changed.clear()
            before = self._attached
            async with self._turn:
                await self._attach_all()
            if self._attached != before:
                self._changed()

    async def _read(self, ref: SecretRef, silent: IdentityError | None) -> IdentityError | None:
        """Read one value, unless the store was `silent` before; the store's silence, if any."""
        try:
            if silent is not None:
                raise silent
            value = await self._store.get(ref)
        except SecretNotFound as missing:
            self._values.pop(ref.name, None)
            self._blame(ref.name, f"the secret {ref.name} is not set; {missing.hint}")
        except TouchNeeded as sealed:
            # What was read before it was sealed is not used on.
            self._values.pop(ref.name, None)
            self._blame(ref.name, f"{sealed}; {sealed.hint}")
        except IdentityError as error:
            self._blame(ref.name, f"the secret {ref.name} can't be read: {error}")
            return error if error.retryable else None
        else:
            if fits_a_header(value.reveal()):
                self._values[ref.name] = value
                self._problems.pop(ref.name, None)
            else:
                self._values.pop(ref.name, None)
                self._blame(
                    ref.name, f"the secret {ref.name} holds characters that can't be in a header"
                )
        return None

    def _blame(self, name: str, problem: str) -> None:
        if self._problems.get(name) != problem:
            _LOG.warning("%s", problem, extra={"event": "secret_problem"})
        self._problems[name] = problem

    def _state(self, name: str) -> str:
        if name.startswith(TOKEN_PREFIX):
            return self._tokens.problem(name.removeprefix(TOKEN_PREFIX)) or "ready"
        if name in self._problems:
            return self._problems[name]
        return "ready" if name in self._values else "not read yet"

    async def _attach(self, owner: _Owner) -> Attached:
        values: dict[str, str] = {}
        for name in _names(owner):
            value = self._value(name)
            if value is None:
                return Attached(unavailable=self._state(name))
            values[name] = value.reveal()
        try:
            await self._put_on_paper(owner.name, values)
        except AuditFailed as failed:
            _LOG.error("%s", failed, extra={"event": "audit_failed", "hint": failed.hint})
            return Attached(unavailable=str(failed))
        headers = tuple(
            (
                template.name,
                "".join(
                    values[part] if index % 2 else part for index, part in enumerate(template.parts)
                ),
            )
            for template in owner.headers
        )
        return Attached(
            headers=headers,
            redact=tuple(values.values()),
            local_tokens={
                rule.token: hashlib.sha256(
                    self._values[rule.token_secret].reveal().encode()
                ).hexdigest()
                for rule in owner.allow
                if rule.token and rule.token_secret in self._values
            },
        )

    def _value(self, name: str) -> Secret | None:
        if name.startswith(TOKEN_PREFIX):
            return self._tokens.value(name.removeprefix(TOKEN_PREFIX))
        return self._values.get(name)

    async def _put_on_paper(self, owner: str, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            if self._on_paper.get((owner, name)) != value:
                await asyncio.to_thread(self._write_down, owner, name, value)
                self._on_paper[owner, name] = value

    def _write_down(self, owner: str, name: str, value: str) -> None:
        """A token's end is near anyway; of a secret it is said which version it was."""
        is_token = name.startswith(TOKEN_PREFIX)
        event = Event(
            action="token.use" if is_token else "secret.use",
            outcome="ok",
            name=name.removeprefix(TOKEN_PREFIX),
            reason=owner,
            more={} if is_token else {"fingerprint": self._marks.of(value)},
        )
        self._journal.write(event)


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who needs secrets: a route, the exporter of telemetry, or a forwarder of the journal."""

    name: str
    headers: tuple[HeaderTemplate, ...]
    allow: tuple[AllowRule, ...] = ()


def _owners(config: Config) -> list[_Owner]:
    owners = [_Owner(route.name, route.headers, route.allow) for route in config.routes]
    if config.telemetry.otlp_headers:
        owners.append(_Owner(TELEMETRY, config.telemetry.otlp_headers))
    owners += [_Owner(item.owner, item.headers) for item in config.audit.forward if item.headers]
    return owners


def _local_tokens(owner: _Owner) -> tuple[str, ...]:
    """The secrets that hold the local tokens of the rules."""
    return tuple(dict.fromkeys(rule.token_secret for rule in owner.allow if rule.token))


def _names(owner: _Owner) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for template in owner.headers for name in template.value_names))
