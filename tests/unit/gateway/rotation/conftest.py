"""A project whose rotations work on stand-ins of the providers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.journal import Journal
from gateway.config.rotate import read_rotations
from gateway.config.table import Table
from gateway.errors import ConfigProblem
from gateway.rotation.desk import Desk
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.fakes import configs
from tests.fakes.clock import START


class Office:
    """A `Desk` over a store in memory, at a time that moves when the test says so.

    Attributes:
        told: the secrets that the gateway was told of.
    """

    def __init__(self, folder: Path, tables: dict[str, Any]) -> None:
        self.folder = folder
        self.at = START
        self.told: list[str] = []
        self.store = MemoryStore()
        problems: list[ConfigProblem] = []
        rotations = read_rotations(Table(tables, "rotate", problems), base=folder, project="acme")
        assert problems == []
        self.desk = Desk(
            config=configs.config(folder, rotations=rotations),
            store=self.store,
            journal=Journal(folder / "audit.jsonl", project="acme"),
            env={"PATH": "/usr/bin:/bin"},
            tell=self._tell,
            now=lambda: self.at,
        )

    async def _tell(self, secret: str) -> None:
        self.told.append(secret)

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.at += timedelta(**span)

    async def keep(self, name: str, value: str) -> None:
        """Put a secret into the store."""
        await self.store.set(SecretRef("acme", name), Secret(value))

    async def value(self, name: str) -> str:
        """What a secret holds."""
        return (await self.store.get(SecretRef("acme", name))).reveal()

    def actions(self) -> list[tuple[str, str]]:
        """What is in the journal."""
        lines = [
            json.loads(line) for line in (self.folder / "audit.jsonl").read_text().split("\n")[:-1]
        ]
        return [(line["action"], line["outcome"]) for line in lines]

    def files(self) -> bytes:
        """All that is on the disk."""
        return b"".join(path.read_bytes() for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def office(tmp_path: Path) -> Callable[..., Office]:
    def made(**tables: Any) -> Office:
        return Office(tmp_path, tables)

    return made
