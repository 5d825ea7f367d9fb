"""From a checked configuration to its sync with Configu; nothing of that is loaded before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.audit.files import state_folder
from gateway.audit.journal import Journal
from gateway.config.model import ConfiguConfig
from identity.secret_stores.base import SecretStore

if TYPE_CHECKING:
    from gateway.configu.sync import ConfiguSync


def open_sync(
    config: ConfiguConfig,
    project: str,
    *,
    store: SecretStore,
    journal: Journal,
    env: Mapping[str, str],
) -> ConfiguSync:
    """The project's sync. Nothing is asked yet."""
    from gateway.configu.sync import ConfiguSync, Place

    return ConfiguSync(
        config,
        project,
        store=store,
        journal=journal,
        place=Place(lock=lock_path(project, env), contact=contact_path(project, env)),
        now=_now,
    )


def contact_path(project: str, env: Mapping[str, str]) -> Path:
    """The file that says when Configu was asked last."""
    return state_folder(project, env) / "configu-contact.json"


def lock_path(project: str, env: Mapping[str, str]) -> Path:
    """What the one process holds that syncs."""
    return state_folder(project, env) / "configu-sync.lock"


def _now() -> datetime:
    return datetime.now(UTC)
