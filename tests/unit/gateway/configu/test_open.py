"""`gateway.configu.open`: where a project's sync keeps what isn't secret."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.audit.journal import Journal
from gateway.config.model import ConfiguConfig
from gateway.configu.contact import Contact
from gateway.configu.open import contact_path, lock_path, open_sync
from identity.secret_stores.memory import MemoryStore


def test_each_project_has_its_own_place(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path)}
    places = {where(name, env) for name in ("acme", "other") for where in (contact_path, lock_path)}
    assert len(places) == 4
    assert all(place.is_relative_to(tmp_path) for place in places)


def test_opening_asks_and_makes_nothing(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    config = ConfiguConfig(
        url="http://127.0.0.1:1",
        org="org",
        set="",
        schemas=(),
        tag="",
        interval_s=60.0,
        max_offline_s=60.0,
        ca_file=None,
    )
    journal = Journal(tmp_path / "audit.jsonl", project="acme")
    sync = open_sync(config, "acme", store=MemoryStore(), journal=journal, env=env)
    assert asyncio.run(sync.contact()) == Contact()
    assert asyncio.run(sync.taken()) == []
    assert list(tmp_path.iterdir()) == []
