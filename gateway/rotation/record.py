"""How far a rotation is, and what comes next. Pure.

    planned → created → stored → verified → published → switched → grace → revoked → done
        └────────┴────────┴─────────┴───────────┴──────────┴─────────┴→ rolling-back → rolled-back

A phase says what is done and on the disk. Each step can be made again: whoever finds a record after
a crash makes the step that follows its phase.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

Phase = Literal[
    "planned", "created", "stored", "verified", "published", "switched", "grace", "revoked",
    "done", "rolling-back", "rolled-back",
]  # fmt: skip
Step = Literal[
    "create", "store", "verify", "publish", "switch", "tell", "revoke", "clean", "roll-back"
]

#: What is done in each phase, and the phase that it leads to.
STEPS: Final[dict[Phase, tuple[Step, Phase]]] = {
    "planned": ("create", "created"),
    "created": ("store", "stored"),
    "stored": ("verify", "verified"),
    "verified": ("publish", "published"),
    "published": ("switch", "switched"),
    "switched": ("tell", "grace"),
    "grace": ("revoke", "revoked"),
    "revoked": ("clean", "done"),
    "rolling-back": ("roll-back", "rolled-back"),
}
#: Until then nobody but this machine may have the new value.
_NOT_OUT: Final[frozenset[Phase]] = frozenset({"planned", "created", "stored", "verified"})
#: From here on the new value may be in use.
_IN_USE: Final[frozenset[Phase]] = frozenset({"switched", "grace"})
_RETRY_S: Final = (5.0, 15.0, 60.0, 300.0)
_VERSION: Final = 1
#: The longest grace; more than any table can say.
_MOST_S: Final = 3660 * 86_400.0


class RecordDamaged(ValueError):
    """A text is no record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """One rotation. It holds no value: those are in the secret store, under names of its `id`.

    Attributes:
        name: of its table `[rotate.NAME]`.
        secret: the secret's name; "" where there is no value here, as with signing keys.
        old_key: how the provider calls the key in use at the beginning ("": it has no name).
        new_key: how it calls the new one; "" before `created`.
        version: counts what is in use: one more at the switch, and again when that is undone.
        publishing: it may be at the place that all get it from.
        switching: the switch has begun, so a roll-back has to put the old value back.
        revoking: the old key may have been ended, so there is no way back any more.
        due_at: nothing happens before; None for at once.
        waiting: for what it waits that isn't a time, as a text for people.
        pending: the new value waits for approval at the place that all get it from.
        error: why the last attempt of the next step failed; `attempts` counts them.
        stuck: that error goes away only if somebody does something.
    """

    id: str
    name: str
    secret: str
    provider: str
    phase: Phase
    started_at: datetime
    changed_at: datetime
    grace_s: float = 0.0
    on_switch: str = "leave"
    old_key: str = ""
    new_key: str = ""
    old_fingerprint: str = ""
    new_fingerprint: str = ""
    version: int = 0
    publishing: bool = False
    switching: bool = False
    revoking: bool = False
    switched_at: datetime | None = None
    due_at: datetime | None = None
    waiting: str = ""
    pending: bool = False
    error: str = ""
    hint: str = ""
    attempts: int = 0
    stuck: bool = False

    @property
    def tag(self) -> str:
        """What our keys are called at the provider, so that one whose value was lost is found."""
        return f"devwiz-{self.id}"

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.phase not in STEPS

    @property
    def can_roll_back(self) -> bool:
        """Whether the old value is still good for sure."""
        never = self.is_over or self.revoking or self.phase == "rolling-back"
        return not never and self.phase != "revoked"


def is_of(rotation: Rotation, *, secret: str, provider: str) -> bool:
    """Whether it is about this secret and provider, or about nothing any more."""
    return rotation.is_over or (rotation.secret, rotation.provider) == (secret, provider)


def next_step(rotation: Rotation, now: datetime) -> Step | None:
    """What is to be done at `now`; None while it is not yet due, and when all is done."""
    if rotation.is_over or (rotation.due_at is not None and now < rotation.due_at):
        return None
    return STEPS[rotation.phase][0]


def stepped(rotation: Rotation, now: datetime, **facts: Any) -> Rotation:
    """The record after the step that follows its phase, with the `facts` that came of it."""
    moved = replace(
        rotation,
        phase=STEPS[rotation.phase][1],
        changed_at=now,
        due_at=None,
        waiting="",
        error="",
        hint="",
        attempts=0,
        stuck=False,
    )
    return replace(moved, **facts)


def failed(
    rotation: Rotation,
    now: datetime,
    *,
    error: str,
    hint: str = "",
    retryable: bool,
    retry_after_s: float | None = None,
) -> Rotation:
    """The record after a step that failed: made again soon if that can help, else on request."""
    pause = max(_RETRY_S[min(rotation.attempts, len(_RETRY_S) - 1)], retry_after_s or 0.0)
    return replace(
        rotation,
        changed_at=now,
        error=error,
        hint=hint,
        attempts=rotation.attempts + 1,
        due_at=now + timedelta(seconds=pause) if retryable else None,
        stuck=not retryable,
    )


def rolling_back(rotation: Rotation, now: datetime) -> Rotation:
    """The record from which on everything is undone."""
    undone = replace(rotation, phase="rolling-back", changed_at=now, due_at=None, waiting="")
    return replace(undone, pending=False, error="", hint="", attempts=0, stuck=False)


def again(rotation: Rotation) -> Rotation:
    """The record for a person who asks to go on now: a failed step is made again at once, a wait
    that is for the secret's own good goes on.
    """
    due = None if rotation.error else rotation.due_at
    return replace(rotation, due_at=due, error="", hint="", attempts=0, stuck=False)


def was_set_back(rotation: Rotation, now: datetime) -> bool:
    """Whether it waits for a time that this machine's clock, set back since, says nothing of."""
    return rotation.due_at is not None and now < rotation.changed_at


def waiting_anew(rotation: Rotation, now: datetime) -> Rotation:
    """The record whose wait begins again, after a clock `was_set_back`: it is not cut short, and
    not as long as the clock was wrong.
    """
    if rotation.due_at is None:
        return rotation
    left = max(rotation.due_at - rotation.changed_at, timedelta(0))
    return replace(rotation, changed_at=now, due_at=now + left)


def can_retype(rotation: Rotation) -> bool:
    """Whether a person may still give another new value."""
    return rotation.phase in _NOT_OUT and not (rotation.publishing or rotation.pending)


def retyped(rotation: Rotation, now: datetime) -> Rotation:
    """The record that begins again, with another value that a person typed."""
    begun = again(replace(rotation, phase="planned", changed_at=now))
    return replace(begun, new_key="", new_fingerprint="", due_at=None)


def is_in_use(rotation: Rotation) -> bool:
    """Whether the new value is, or may be, what is in use."""
    return rotation.switching or rotation.phase in _IN_USE


def version_in_use(rotation: Rotation) -> int:
    """Which version whoever reads the secret now gets for sure: a switch that has only begun
    doesn't count.
    """
    begun = rotation.switching and rotation.phase == "published"
    return rotation.version - 1 if begun else rotation.version


def encode(rotation: Rotation) -> bytes:
    """The record as its file holds it."""
    told = {"v": _VERSION, **asdict(rotation)}
    for key in ("started_at", "changed_at", "switched_at", "due_at"):
        told[key] = told[key].isoformat() if told[key] else None
    return json.dumps(told, indent=1).encode() + b"\n"


def decode(data: bytes) -> Rotation:
    """The record in a file. Raises `RecordDamaged`."""
    try:
        told = json.loads(data)
        if not isinstance(told, dict) or told.pop("v") != _VERSION:
            raise RecordDamaged("it is of another version")
        return _checked(told)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordDamaged("it can't be read") from error


def _checked(told: dict[str, Any]) -> Rotation:
    known = {field.name: field for field in fields(Rotation)}
    if set(told) != set(known) or told["phase"] not in get_args(Phase):
        raise RecordDamaged("it has other fields")
    for key in ("started_at", "changed_at", "switched_at", "due_at"):
        if told[key] is not None or key in ("started_at", "changed_at"):
            told[key] = datetime.fromisoformat(told[key])
            if told[key].tzinfo is None:
                raise RecordDamaged("a time is without its zone")
    texts = [
        *("id", "name", "secret", "provider", "on_switch", "old_key", "new_key"),
        *("old_fingerprint", "new_fingerprint", "waiting", "error", "hint"),
    ]
    if not all(isinstance(told[key], str) for key in texts):
        raise RecordDamaged("a field that is a text isn't one")
    flags = ("publishing", "switching", "revoking", "pending", "stuck")
    if not all(type(told[key]) is bool for key in flags):
        raise RecordDamaged("a field that is a flag isn't one")
    if not all(type(told[key]) is int and told[key] >= 0 for key in ("version", "attempts")):
        raise RecordDamaged("a field that is a number isn't one")
    told["grace_s"] = float(told["grace_s"])
    if not 0.0 <= told["grace_s"] <= _MOST_S:
        raise RecordDamaged("its grace is no span of time")
    return Rotation(**told)
