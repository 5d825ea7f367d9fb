"""Rotations as documents for people and programs; nothing in them is a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from gateway.config.rotate_model import RotateConfig
from gateway.rotation.ledger import Holder
from gateway.rotation.record import STEPS, Rotation, can_retype


class Age(NamedTuple):
    """Since when a value is known; `is_begin` where it came then, and may not be older."""

    since: datetime
    is_begin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationView:
    """How one `[rotate.NAME]` stands; `age` is that of the value in use, if it was looked at."""

    wanted: RotateConfig
    last: Rotation | None = None
    age: Age | None = None
    problem: str = ""

    def age_s(self, now: datetime) -> float | None:
        """How old the value in use is, at least."""
        return None if self.age is None else max(0.0, (now - self.age.since).total_seconds())

    def is_old(self, now: datetime) -> bool:
        """Whether it should be rotated by now."""
        age_s, limit_s = self.age_s(now), self.wanted.remind_after_s
        return age_s is not None and limit_s is not None and age_s >= limit_s


def document(view: RotationView, now: datetime) -> dict[str, Any]:
    """One view for `GET /rotations` and `status`."""
    wanted, last = view.wanted, view.last
    told: dict[str, Any] = {
        "name": wanted.name,
        "secret": wanted.secret or None,
        "provider": wanted.provider,
        "on_switch": wanted.on_switch,
        "since": _time(view.age.since) if view.age else None,
        "age_s": view.age_s(now),
        "age_is_known": view.age is not None and view.age.is_begin,
        "remind_after_s": wanted.remind_after_s,
        "is_old": view.is_old(now),
        "problem": view.problem or None,
        "rotation": None,
    }
    if last is not None:
        told["rotation"] = rotation_document(last)
    return told


def rotation_document(rotation: Rotation) -> dict[str, Any]:
    """One rotation, over or under way."""
    return {
        "id": rotation.id,
        "phase": rotation.phase,
        "next_step": STEPS[rotation.phase][0] if not rotation.is_over else None,
        "due_at": _time(rotation.due_at),
        "waiting": rotation.waiting or None,
        "pending_approval": rotation.pending,
        "error": rotation.error or None,
        "hint": rotation.hint or None,
        "stuck": rotation.stuck,
        "is_over": rotation.is_over,
        "can_roll_back": rotation.can_roll_back,
        "can_retype": rotation.provider == "prompt" and can_retype(rotation),
        "started_at": _time(rotation.started_at),
        "changed_at": _time(rotation.changed_at),
        "switched_at": _time(rotation.switched_at),
        "version": rotation.version,
        "old_key": rotation.old_key or None,
        "new_key": rotation.new_key or None,
        "old_fingerprint": rotation.old_fingerprint or None,
        "new_fingerprint": rotation.new_fingerprint or None,
    }


def plan_document(
    view: RotationView, now: datetime, current: str, held: Iterable[tuple[Holder, bool]]
) -> dict[str, Any]:
    """What a rotation would do, and who holds which version; `current` is the mark of the value in
    use, and with each holder comes whether it is still there.
    """
    steps = ["create", "store", "verify", "publish", "switch", "tell", "revoke", "clean"]
    wanted = view.wanted
    if wanted.publish is None and not wanted.write_back:
        steps.remove("publish")
    return {
        **document(view, now),
        "steps": steps,
        "grace_s": wanted.grace_s,
        "fingerprint": current or None,
        "holders": [
            {
                "what": holder.what,
                "how": holder.how,
                "agent": holder.agent or None,
                "variable": holder.variable or None,
                "pid": holder.pid or None,
                "at": holder.at,
                "fingerprint": holder.fingerprint or None,
                "is_current": (holder.fingerprint == current) if holder.fingerprint else None,
                "is_alive": alive,
            }
            for holder, alive in held
        ],
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")
