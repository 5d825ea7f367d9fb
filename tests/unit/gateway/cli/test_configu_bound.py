"""`gateway.cli.configu_bound`: what of Configu's values a program may not get."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.configu_bound import SecretTooOld, SteeredFromElsewhere, bound
from gateway.cli.secret_scope import Scope
from gateway.cli.snapshot import Snapshot
from gateway.configu.contact import Contact
from gateway.configu.contact_file import write_contact
from gateway.configu.open import contact_path
from gateway.errors import ConfigInvalid
from identity.configu.sync_state import Synced, SyncState, encode, state_ref
from identity.secret_stores.base import Secret
from tests.fakes.kept_secrets import KeptSecrets, scope_with

STATE = SyncState(key=b"k" * 32)
STEERING = ("HTTPS_PROXY", "https_proxy", "DOCKER_HOST", "OPENAI_BASE_URL", "LD_PRELOAD")


@pytest.fixture
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def scene(
    folder: Path, *, age: timedelta = timedelta(), taken: str = "value", **raw: Any
) -> tuple[Scope, KeptSecrets]:
    """A project that took the value of `x` from Configu, which answered so long ago."""
    told = {"project": "acme", "configu": {}, **raw}
    store = KeptSecrets({"x": "value"})
    scope = scope_with(store, folder, Snapshot(path=folder / "devwiz-gw.toml", raw=told))
    synced = {"x": Synced(value=STATE.fingerprint("x", taken))}
    store.set(state_ref("acme"), Secret(encode(SyncState(key=STATE.key, synced=synced)).reveal()))
    at = datetime.now(UTC) - age
    write_contact(contact_path("acme", os.environ), Contact(asked_at=at, answered_at=at))
    return scope, store


def test_fresh_values_cost_no_look_into_the_store(state_home: Path) -> None:
    scope, store = scene(state_home)
    bound(scope)("API_KEY", "x", "value")
    assert store.read == []


@pytest.mark.parametrize("variable", STEERING)
def test_a_value_from_configu_steers_no_program(state_home: Path, variable: str) -> None:
    scope, _ = scene(state_home)
    with pytest.raises(SteeredFromElsewhere, match=f"{variable} .*the secret x in it comes") as no:
        bound(scope)(variable, "x", "value")
    assert variable in no.value.hint
    (event,) = map(json.loads, (state_home / "audit.jsonl").read_text().splitlines())
    assert (event["outcome"], event["name"]) == ("denied", "x")
    assert "value" not in event["reason"]


@pytest.mark.parametrize("variable", STEERING)
def test_what_somebody_set_here_may_steer(state_home: Path, variable: str) -> None:
    scope, _ = scene(state_home, taken="another one")
    check = bound(scope)
    check(variable, "x", "value")
    check(variable, "never-synced", "value")


def test_what_is_meant_so_may_steer(state_home: Path) -> None:
    scope, _ = scene(state_home, run={"allow_dangerous": ["HTTPS_PROXY"]})
    check = bound(scope)
    check("HTTPS_PROXY", "x", "value")
    with pytest.raises(SteeredFromElsewhere):
        check("ALL_PROXY", "x", "value")


def test_old_values_are_refused_and_others_are_not(state_home: Path) -> None:
    scope, _ = scene(state_home, age=timedelta(days=2))
    check = bound(scope)
    with pytest.raises(SecretTooOld, match="has not answered for"):
        check("API_KEY", "x", "value")
    check("API_KEY", "x", "set by somebody")
    check("API_KEY", "mine", "value")


def test_a_value_that_was_being_written_counts_as_taken(state_home: Path) -> None:
    scope, store = scene(state_home, age=timedelta(days=2))
    coming = {"x": Synced(coming=STATE.fingerprint("x", "value"))}
    store.set(state_ref("acme"), Secret(encode(SyncState(key=STATE.key, synced=coming)).reveal()))
    with pytest.raises(SecretTooOld):
        bound(scope)("API_KEY", "x", "value")


@pytest.mark.parametrize(
    "most", [float("nan"), float("inf"), -0.0, 1e300, 10**400, -1, 0, True, "1d"]
)
def test_a_bound_that_is_none_is_not_believed(state_home: Path, most: object) -> None:
    scope, _ = scene(state_home, age=timedelta(days=9), configu={"max_offline_s": most})
    with pytest.raises(ConfigInvalid) as caught:
        bound(scope)
    assert caught.value.problems[0].key == "configu.max_offline_s"


def test_a_project_without_configu_has_no_bound(state_home: Path) -> None:
    scope, store = scene(state_home, age=timedelta(days=9))
    for raw in ({"project": "acme"}, {"project": "other", "configu": {}}):
        plain = scope_with(store, state_home, Snapshot(raw=raw))
        bound(plain)("HTTPS_PROXY", "x", "value")
    store.delete(state_ref("acme"))
    bound(scope)("HTTPS_PROXY", "x", "value")
