"""A project's rotations for tests, over a store in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.audit.journal import Journal
from gateway.config.model import Config
from gateway.rotation.desk import Desk
from identity.secret_stores.memory import MemoryStore


def memory_desk(config: Config, refresh: Callable[[], Awaitable[None]]) -> Desk:
    """State and journal are beside the configuration."""
    return Desk(
        config=config,
        store=MemoryStore(),
        journal=Journal(config.path.parent / "audit.jsonl", project=config.project),
        env={},
        tell=lambda _secret: refresh(),
    )
