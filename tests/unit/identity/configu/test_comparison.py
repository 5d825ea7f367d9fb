from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from identity.configu.comparison import Finding, after, compare, local_findings
from identity.configu.sync_state import Synced, SyncState

EMPTY = SyncState(key=b"k" * 32)


def state(**synced: Synced) -> SyncState:
    return replace(EMPTY, synced=synced)


def mark(value: str) -> str:
    return EMPTY.fingerprint("A", value)


def found(
    before: SyncState,
    remote: Mapping[str, str],
    local: Mapping[str, str],
    *,
    problems: Mapping[str, str] | None = None,
    computed: Mapping[str, str] | None = None,
    take: tuple[str, ...] = (),
    names: tuple[str, ...] = ("A",),
) -> Finding:
    (finding,) = compare(
        before,
        remote=remote,
        local=local,
        names=names,
        problems=problems or {},
        computed=computed or {},
        take=take,
    )
    return finding


SYNCED = state(A=Synced(value=mark("1")))


@pytest.mark.parametrize(
    ("before", "remote", "local", "kind"),
    [
        (EMPTY, None, None, "missing"),
        (EMPTY, None, "mine", "missing"),
        (EMPTY, "1", None, "new"),
        (EMPTY, "1", "1", "same"),
        (EMPTY, "1", "mine", "drift"),
        (SYNCED, "1", "1", "same"),
        (SYNCED, "2", "1", "changed"),
        (SYNCED, "2", "2", "same"),
        (SYNCED, "1", "mine", "drift"),
        (SYNCED, "2", "mine", "drift"),
        (SYNCED, "1", None, "drift"),
        (SYNCED, None, "1", "stale"),
        (SYNCED, None, None, "stale"),
        # Killed before and after the value was set; Configu has another one since.
        (state(A=Synced(coming=mark("1"))), "2", None, "new"),
        (state(A=Synced(value=mark("1"), coming=mark("2"))), "3", "1", "changed"),
        (state(A=Synced(value=mark("1"), coming=mark("2"))), "3", "2", "changed"),
        (state(A=Synced(value=mark("1"), pending=mark("2"))), "1", "2", "pending"),
        (state(A=Synced(value=mark("1"), pending=mark("2"))), "2", "2", "same"),
        (state(A=Synced(value=mark("1"), pending=mark("2"))), "1", "mine", "drift"),
    ],
)
def test_how_it_stands(before: SyncState, remote: str | None, local: str | None, kind: str) -> None:
    said = found(
        before,
        {} if remote is None else {"A": remote},
        {} if local is None else {"A": local},
    )
    assert said.kind == kind


@pytest.mark.parametrize(("local", "kind"), [(None, "new"), ("mine", "changed"), ("1", "same")])
def test_a_name_that_is_taken(local: str | None, kind: str) -> None:
    before = state(A=Synced(value=mark("0"), pending=mark("mine")))
    assert found(before, {"A": "1"}, {"A": local} if local else {}, take=("A",)).kind == kind


def test_problems_and_what_is_computed() -> None:
    assert found(EMPTY, {"A": "1"}, {}, problems={"A": "bad"}, take=("A",)).kind == "invalid"
    assert found(EMPTY, {}, {}, problems={"A": "required"}).kind == "invalid"
    assert found(SYNCED, {}, {}, problems={"A": "required"}) == Finding(
        name="A", kind="stale", reason="required"
    )
    assert found(EMPTY, {}, {}, computed={"A": "lazy"}).kind == "computed"
    assert found(SYNCED, {}, {}, names=()).kind == "stale"


def test_what_is_remembered_before_and_after() -> None:
    changed = [Finding(name="A", kind="changed")]
    before = after(SYNCED, changed, {"A": "2"}, is_done=False)
    assert before == {"A": Synced(value=mark("1"), coming=mark("2"))}
    assert after(SYNCED, changed, {"A": "2"}, is_done=True) == {"A": Synced(value=mark("2"))}
    same = [Finding(name="A", kind="same")]
    assert after(EMPTY, same, {"A": "1"}, is_done=True) == {"A": Synced(value=mark("1"))}
    gone = [Finding(name="A", kind="stale")]
    assert after(SYNCED, gone, {}, is_done=True)["A"].stale
    for kind in ("drift", "pending", "invalid", "missing", "computed"):
        other = Finding(name="A", kind=kind)
        assert after(SYNCED, [other], {"A": "2"}, is_done=True) == SYNCED.synced


@pytest.mark.parametrize(
    ("synced", "local", "kind"),
    [
        (Synced(value=mark("1")), "1", "same"),
        (Synced(value=mark("0"), coming=mark("1")), "1", "same"),
        (Synced(value=mark("1")), "2", "drift"),
        (Synced(value=mark("1")), None, "drift"),
        (Synced(value=mark("1"), stale=True), "1", "stale"),
        (Synced(value=mark("1"), pending=mark("2")), "2", "pending"),
    ],
)
def test_how_the_store_stands_by_itself(synced: Synced, local: str | None, kind: str) -> None:
    (finding,) = local_findings(state(A=synced), {"A": local} if local else {})
    assert finding.kind == kind


@pytest.mark.parametrize("take", [(), ("A",)])
@pytest.mark.parametrize("before", [EMPTY, SYNCED])
def test_a_sealed_secret_is_never_written_over(before: SyncState, take: tuple[str, ...]) -> None:
    (finding,) = compare(
        before,
        remote={"A": "2"},
        local={},
        names=("A",),
        problems={},
        computed={},
        take=take,
        sealed={"A"},
    )
    assert finding.kind == "sealed"
    assert after(before, [finding], {"A": "2"}, is_done=True) == before.synced
    assert [item.kind for item in local_findings(SYNCED, {}, {"A"})] == ["sealed"]
