"""What a readiness document says, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def failed_checks(document: Mapping[str, Any]) -> str:
    """The checks that failed, each with its reason."""
    checks = document.get("checks")
    failed = [
        f"{name} ({check.get('reason') or 'no reason given'})"
        for name, check in (checks.items() if isinstance(checks, Mapping) else ())
        if isinstance(check, Mapping) and not check.get("ok")
    ]
    return ", ".join(failed) or "it gave no reason"
