"""All rotations of a project: what commands and the admin API ask for."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.audit.actor import actor_of
from gateway.audit.event import fields_of
from gateway.audit.files import all_files, lines_of
from gateway.audit.fingerprint import Fingerprints
from gateway.audit.journal import Journal
from gateway.config.model import ProjectConfig
from gateway.config.rotate_model import RotateConfig
from gateway.rotation.ages import Ages
from gateway.rotation.book import Book, BookFailed
from gateway.rotation.engine import RotationRefused, Rotator, Tools
from gateway.rotation.ledger import Holder, holders
from gateway.rotation.providers import ProviderOpener
from gateway.rotation.record import Rotation, is_of
from gateway.rotation.views import Age, RotationView, plan_document
from identity.errors import IdentityError
from identity.secret_stores.base import Secret, SecretRef, SecretStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The rotations that a configuration knows. `tell` lets the running gateway know that a secret
    has another value.
    """

    config: ProjectConfig
    store: SecretStore
    journal: Journal
    env: Mapping[str, str]
    tell: Callable[[str], Awaitable[None]]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def state(self) -> Path:
        """The project's state folder."""
        return self.journal.path.parent

    def wanted(self, name: str) -> RotateConfig:
        """The table of that name, or the one of the secret of that name.

        Raises:
            RotationRefused: there is none.
        """
        tables = self.config.rotations
        for table in (
            *(item for item in tables if item.name == name),
            *(item for item in tables if item.secret == name),
        ):
            return table
        known = ", ".join(item.name for item in tables) or "none"
        raise RotationRefused(
            f"nothing says how {name} is rotated",
            hint=f"add a table [rotate.{name}] to {self.config.path}; there are: {known}",
        )

    async def start(self, name: str, *, typed: Secret | None, old_key: str = "") -> Rotation:
        """See `Rotator.start`."""
        wanted = self.wanted(name)
        _refuse_typed(wanted, typed)
        # Else the new value would be the first that anybody looks at, and its age unknown.
        await self._note_age(wanted)
        rotation = await self._rotator().start(wanted, typed=typed, old_key=old_key)
        await self._note_age(wanted)
        return rotation

    async def resume(
        self, name: str, *, typed: Secret | None = None, asked: bool = True
    ) -> Rotation:
        """See `Rotator.resume`."""
        wanted = self.wanted(name)
        _refuse_typed(wanted, typed)
        rotation = await self._rotator().resume(wanted, typed=typed, asked=asked)
        await self._note_age(wanted)
        return rotation

    async def roll_back(self, name: str) -> Rotation:
        """See `Rotator.roll_back`."""
        wanted = self.wanted(name)
        rotation = await self._rotator().roll_back(wanted)
        await self._note_age(wanted)
        return rotation

    async def plan(self, name: str) -> dict[str, Any]:
        """What a rotation would do, and who holds which version. Raises `RotationRefused`,
        `AuditFailed`, and `IdentityError` where the value in use can't be read.
        """
        wanted = self.wanted(name)
        current = await self.look(wanted)
        view = await asyncio.to_thread(self._view, wanted)
        held: list[tuple[Holder, bool]] = []
        if wanted.secret:
            held = await asyncio.to_thread(self._held, wanted.secret)
        return plan_document(view, self.now(), current, held)

    def views(self) -> tuple[RotationView, ...]:
        """How all of them stand. Blocks for some small files."""
        return tuple(self._view(wanted) for wanted in self.config.rotations)

    async def look(self, wanted: RotateConfig) -> str:
        """The mark of the value in use, from now on on record with its age; "" for no value."""
        if not wanted.secret:
            return ""
        value = await self.store.get(SecretRef(self.config.project, wanted.secret))
        return await asyncio.to_thread(self._remember, wanted.secret, value)

    async def _note_age(self, wanted: RotateConfig) -> None:
        """A rotation goes on, and tells how far it came, where the value's age can't be told."""
        with contextlib.suppress(IdentityError):
            await self.look(wanted)

    def _remember(self, secret: str, value: Secret) -> str:
        mark = Fingerprints(self.state).of(value.reveal())
        Ages(self.state).look(secret, mark, self.now())
        return mark

    def _view(self, wanted: RotateConfig) -> RotationView:
        try:
            last = Book(self.state).read(wanted.name)
        except BookFailed as error:
            return RotationView(wanted=wanted, problem=f"{error}; {error.hint}")
        if last and not is_of(last, secret=wanted.secret, provider=wanted.provider):
            why = f"the rotation under way is one of {last.secret} by {last.provider}"
            return RotationView(wanted=wanted, problem=why)
        age = Ages(self.state).of(wanted.secret) if wanted.secret else None
        if not wanted.secret and last is not None and last.switched_at is not None:
            age = Age(last.switched_at, is_begin=True)
        return RotationView(wanted=wanted, last=last, age=age)

    def _held(self, secret: str) -> list[tuple[Holder, bool]]:
        found = holders(self._events_of(secret), secret)
        return [(holder, _is_alive(holder)) for holder in found]

    def _events_of(self, secret: str) -> Iterator[dict[str, Any]]:
        wanted = secret.encode()
        for path in all_files(self.journal.path):
            for line in lines_of(path):
                if wanted in line and (event := fields_of(line)) is not None:
                    yield event

    def _rotator(self) -> Rotator:
        opener = ProviderOpener(
            project=self.config.project,
            store=self.store,
            journal=self.journal,
            env=self.env,
            configu=self.config.configu,
        )
        tools = Tools(
            project=self.config.project,
            store=self.store,
            journal=self.journal,
            fingerprints=Fingerprints(self.state),
            book=Book(self.state),
            open_provider=opener,
            now=self.now,
            new_id=lambda: secrets.token_hex(8),
            tell=self.tell,
        )
        return Rotator(tools)


async def look_at_all(desk: Desk) -> None:
    """Bring the ages of all values up to date, as far as they can be read."""
    for wanted in desk.config.rotations:
        try:
            await desk.look(wanted)
        except IdentityError:
            continue


def _refuse_typed(wanted: RotateConfig, typed: Secret | None) -> None:
    if typed is not None and wanted.provider != "prompt":
        raise RotationRefused(
            f"no value is typed in for {wanted.name}: it comes from {wanted.provider}",
            hint='a table with provider = "prompt" takes one',
        )


def _is_alive(holder: Holder) -> bool:
    """Whether the very process lives: a number that is used again has another start."""
    if not holder.pid or not holder.started:
        return False
    return actor_of(holder.pid, 0).started == holder.started
