"""Rotations as lines for people. `now` comes in, so the same document looks the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.cli.output import duration, paint, pairs, printable, table

_STEPS: Final = {
    "create": "make a new key at the provider",
    "store": "keep it here, not yet in use",
    "verify": "try it in a way that changes nothing",
    "publish": "write it to Configu, and read it back",
    "switch": "use it from now on",
    "tell": "let routes and supervised programs take it over",
    "revoke": "end the old key",
    "clean": "forget the old value",
}
#: From when on it says something that a value is at least so old.
_TELLING_S: Final = 3600.0
_HEADINGS: Final = ("ROTATION", "SECRET", "PROVIDER", "AGE", "STATE", "NEXT")


def table_lines(rotations: Sequence[Mapping[str, Any]], *, now: datetime) -> list[str]:
    """All of them, as in `status`."""
    rows = [
        (
            _text(item, "name"),
            _text(item, "secret") or "—",
            _text(item, "provider"),
            _age(item),
            _state(item),
            _next(item.get("rotation") or {}, now),
        )
        for item in rotations
    ]
    return table(_HEADINGS, rows)


def plan_lines(plan: Mapping[str, Any], *, now: datetime) -> list[str]:
    """What would happen, and to whom."""
    name = _text(plan, "name")
    lines = [f"rotation {name}: {_text(plan, 'provider')}", ""]
    lines += [f"  {_STEPS.get(str(step), str(step))}" for step in plan.get("steps") or ()]
    lines += pairs(
        [
            ("age", _age(plan)),
            ("grace", duration(float(plan.get("grace_s") or 0.0))),
            ("programs", _text(plan, "on_switch")),
            ("state", _state(plan)),
        ]
    )
    holders = plan.get("holders") or []
    if not holders:
        return [*lines, "", "nobody is on record as having the value"]
    rows = [
        (
            _text(item, "what"),
            _text(item, "how"),
            _text(item, "variable"),
            _text(item, "agent"),
            _text(item, "pid"),
            "running" if item.get("is_alive") else "ended",
            _version(item),
            _since(item.get("at"), now),
        )
        for item in holders
    ]
    headings = ("HOLDER", "HOW", "VARIABLE", "AGENT", "PID", "PROCESS", "VERSION", "GIVEN")
    return [*lines, "", *table(headings, rows)]


def outcome_lines(rotation: Mapping[str, Any], *, now: datetime) -> list[str]:
    """How far one is, and what is left to do."""
    name, phase = _text(rotation, "name"), _text(rotation, "phase")
    lines = [f"rotation {name} is {'' if rotation.get('is_over') else 'in the phase '}{phase}"]
    if error := _text(rotation, "error"):
        lines.append(f"step {_text(rotation, 'next_step')} failed: {error}")
        if hint := _text(rotation, "hint"):
            lines.append(hint)
        lines.append(f"go on with: devwiz-gw rotate {name} --resume; undo it with --rollback")
        if rotation.get("can_retype"):
            lines.append("another value can be given with: --resume --new-value")
    elif not rotation.get("is_over"):
        lines.append(f"next: {_next(rotation, now)}")
        lines.append(
            "a gateway that runs goes on by itself; else: "
            f"devwiz-gw rotate {name} --resume; undo it with --rollback"
        )
    return lines


def reminder_lines(rotations: Sequence[Mapping[str, Any]], *, now: datetime) -> list[str]:
    """What `status` shows: those under way, in trouble, or old; one in order is no news."""
    wanting = [
        item
        for item in rotations
        if item.get("is_old")
        or item.get("problem")
        or not (item.get("rotation") or {"is_over": True}).get("is_over")
    ]
    return ["", *table_lines(wanting, now=now)] if wanting else []


def _state(item: Mapping[str, Any]) -> str:
    if problem := _text(item, "problem"):
        return paint(problem, "bad")
    rotation = item.get("rotation") or {}
    if error := _text(rotation, "error"):
        return paint(f"{_text(rotation, 'phase')}: {error}", "bad")
    if rotation and not rotation.get("is_over"):
        return paint(_text(rotation, "phase"), "warning")
    if item.get("is_old"):
        return paint("old: rotate it", "warning")
    return "in order"


def _next(rotation: Mapping[str, Any], now: datetime) -> str:
    step = _text(rotation, "next_step")
    if not step:
        return ""
    waiting = _text(rotation, "waiting")
    if rotation.get("stuck"):
        return f"{step}, when somebody asks"
    due = _moment(rotation.get("due_at"))
    left = (due - now).total_seconds() if due else 0.0
    when = f" in {duration(left)}" if left > 0 else " now"
    return f"{step}{when}" + (f", waits {waiting}" if waiting else "")


def _age(item: Mapping[str, Any]) -> str:
    """A value that was there at the first look is at least as old as that is past."""
    age = item.get("age_s")
    if not isinstance(age, int | float):
        return "unknown"
    if item.get("age_is_known", True):
        return duration(float(age))
    return f"over {duration(float(age))}" if age >= _TELLING_S else "unknown"


def _version(holder: Mapping[str, Any]) -> str:
    is_current = holder.get("is_current")
    if is_current is None:
        return "unknown"
    return "in use" if is_current else paint("old", "warning")


def _since(at: object, now: datetime) -> str:
    when = _moment(at)
    return f"{duration(max(0.0, (now - when).total_seconds()))} ago" if when else ""


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return "" if value is None else printable(str(value))
