"""What a sync finds, config by config, and what it would do. Pure.

Configu has the say over values that came from there. A value that somebody set in the store is
never written over by the way: it is *drift*, and shown until a person decides. A config that is
gone from Configu stays in the store, marked stale. A secret that is sealed in the store can't be
compared, and isn't replaced by a value that is open.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from identity.configu.sync_state import Synced, SyncState

Kind = Literal[
    "same",
    "new",
    "changed",
    "drift",
    "pending",
    "sealed",
    "stale",
    "missing",
    "invalid",
    "computed",
]
#: Kinds by which something is written into the store.
WRITTEN: Final = frozenset({"new", "changed"})
#: Kinds that somebody has to look at.
WRONG: Final = frozenset({"drift", "invalid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How it stands with one config; `reason` says why where the kind doesn't."""

    name: str
    kind: Kind
    reason: str = ""


def compare(
    state: SyncState,
    *,
    remote: Mapping[str, str],
    local: Mapping[str, str],
    names: Collection[str],
    problems: Mapping[str, str],
    computed: Mapping[str, str],
    take: Collection[str] = (),
    sealed: Collection[str] = (),
) -> list[Finding]:
    """A finding for each of `names` and of what was synced before, by name.

    Args:
        remote: what each config comes to in Configu.
        local: what the store has.
        problems: why what Configu has can't be taken, by name.
        computed: configs that have no value here, with why.
        take: names of which Configu's value is taken whatever the store has.
        sealed: secrets that the store has, and shows to a touch only.
    """
    found = []
    for name in sorted({*names, *state.synced}):
        if name in computed:
            found.append(Finding(name=name, kind="computed", reason=computed[name]))
        elif name not in names:
            found.append(Finding(name=name, kind="stale", reason="no schema declares it any more"))
        elif name not in remote:
            found.append(_absent(name, state, problems.get(name, "")))
        elif name in problems:
            found.append(Finding(name=name, kind="invalid", reason=problems[name]))
        elif name in sealed:
            found.append(_sealed(name))
        else:
            found.append(_present(name, state, remote[name], local.get(name), name in take))
    return found


def after(
    state: SyncState, findings: list[Finding], remote: Mapping[str, str], *, is_done: bool
) -> dict[str, Synced]:
    """What is to be remembered once the findings are seen to; unless it `is_done`, before that."""
    synced = dict(state.synced)
    for item in findings:
        old = synced.get(item.name, Synced())
        value = state.fingerprint(item.name, remote.get(item.name, ""))
        if item.kind in WRITTEN and not is_done:
            synced[item.name] = Synced(value=old.value, coming=value, pending=old.pending)
        elif item.kind in WRITTEN or item.kind == "same":
            synced[item.name] = Synced(value=value)
        elif item.kind == "stale" and item.name in synced:
            synced[item.name] = Synced(value=old.value, coming=old.coming, stale=True)
    return synced


def local_findings(
    state: SyncState, local: Mapping[str, str], sealed: Collection[str] = ()
) -> list[Finding]:
    """How the store stands to what was synced last, without asking Configu; see `compare`."""
    found = []
    for name, old in sorted(state.synced.items()):
        mine = state.fingerprint(name, local[name]) if name in local else ""
        if name in sealed:
            found.append(_sealed(name))
        elif old.pending and mine == old.pending:
            found.append(_pending(name))
        elif mine not in {old.value, old.coming} or not mine:
            found.append(_drift(name, is_there=name in local))
        elif old.stale:
            found.append(Finding(name=name, kind="stale", reason="Configu has it no more"))
        else:
            found.append(Finding(name=name, kind="same"))
    return found


def _absent(name: str, state: SyncState, problem: str) -> Finding:
    if name in state.synced:
        return Finding(name=name, kind="stale", reason=problem or "Configu has it no more")
    return Finding(name=name, kind="invalid" if problem else "missing", reason=problem)


def _present(name: str, state: SyncState, remote: str, local: str | None, take: bool) -> Finding:  # noqa: FBT001
    if local == remote:
        return Finding(name=name, kind="same")
    old = state.synced.get(name, Synced())
    if local is None:
        # It was removed here by somebody; or never written, when a sync was cut short.
        return Finding(name=name, kind="new") if take or not old.value else _drift(name)
    mine = state.fingerprint(name, local)
    if take or mine in {old.value, old.coming}:
        return Finding(name=name, kind="changed")
    return _pending(name) if mine == old.pending else _drift(name, is_there=True)


def _drift(name: str, *, is_there: bool = False) -> Finding:
    how = "the store has another value" if is_there else "it was removed from the store"
    return Finding(name=name, kind="drift", reason=how)


def _sealed(name: str) -> Finding:
    why = "a touch would have to open it, and 'devwiz-gw secret set' seals a new value"
    return Finding(name=name, kind="sealed", reason=why)


def _pending(name: str) -> Finding:
    return Finding(name=name, kind="pending", reason="the store's value waits for approval")
