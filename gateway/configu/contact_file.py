"""The file that says when Configu was asked last, for all processes of a project."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.configu.contact import Contact
from identity.atomic_file import write_atomic
from identity.private_folder import make_private
from identity.strict_json import strict_value


def read_contact(path: Path) -> Contact:
    """What was written; nothing is known of a file that isn't there, or isn't whole."""
    try:
        told = strict_value(path.read_bytes())
        return Contact(
            asked_at=_moment(told["asked_at"]),
            answered_at=_moment(told["answered_at"]),
            problem=str(told["problem"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Contact()


def write_contact(path: Path, contact: Contact) -> None:
    """Replace the file. Raises OSError."""
    make_private(path.parent)
    told = {
        "asked_at": _text(contact.asked_at),
        "answered_at": _text(contact.answered_at),
        "problem": contact.problem,
    }
    write_atomic(path, json.dumps(told).encode(), 0o600)


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _text(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
