"""`identity.secret_stores.vault.vault`: edited, mixed, copied and older files are refused."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from identity.errors import (
    ProjectElsewhere,
    SecretNotFound,
    StoreUnavailable,
    VaultDamaged,
    VaultRolledBack,
)
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.binding import Asker
from identity.secret_stores.vault import database
from identity.secret_stores.vault.keys import Keys
from identity.secret_stores.vault.records import encode_record
from identity.secret_stores.vault.vault import Vault
from tests.fakes.vault import VaultRig

TOKEN = SecretRef("acme", "planner-token")
OTHER = SecretRef("other", "planner-token")
HERE = Asker(file="/acme/devwiz-gw.toml", state="/state/devwiz-gw")
THERE = replace(HERE, file="/clone/devwiz-gw.toml")


@pytest.fixture
def rig(tmp_path: Path) -> VaultRig:
    return VaultRig(tmp_path).make()


@pytest.fixture
def vault(rig: VaultRig) -> Vault:
    vault = rig.vault()
    vault.set(TOKEN, Secret("acme's"))
    vault.set(OTHER, Secret("other's"))
    return vault


def edit(rig: VaultRig, *statements: str) -> None:
    """Change the file as any program can that speaks SQLite."""
    with closing(sqlite3.connect(rig.place.database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


EDITS = {
    "a record removed": ["DELETE FROM records WHERE version = 2"],
    "values swapped": [
        "CREATE TEMP TABLE t AS SELECT * FROM records",
        "UPDATE records SET box = (SELECT box FROM t WHERE t.project != records.project)",
    ],
    "projects swapped": [
        "CREATE TEMP TABLE t AS SELECT * FROM records",
        "DELETE FROM records",
        (
            "INSERT INTO records SELECT (SELECT project FROM t AS o WHERE o.project != t.project),"
            " name, version, policy, label, box FROM t"
        ),
    ],
    "a policy changed": ["UPDATE records SET policy = 1"],
    "a version changed": ["UPDATE records SET version = version + 1"],
    "the epoch raised": ["UPDATE vault SET epoch = epoch + 1"],
    "a slot removed": ["DELETE FROM slots"],
    "a slot added": [
        "INSERT INTO slots SELECT 9, kind, label, created, params, wrapped FROM slots"
    ],
    "the id changed": ["UPDATE vault SET id = x'00'"],
    "the seal emptied": ["UPDATE vault SET seal = x''"],
}


@pytest.mark.parametrize("statements", EDITS.values(), ids=EDITS.keys())
def test_an_edited_file_is_refused_and_left_alone(
    rig: VaultRig, vault: Vault, statements: list[str]
) -> None:
    edit(rig, *statements)
    before = rig.place.database.read_bytes()
    calls: list[Callable[[], object]] = [
        lambda: vault.get(TOKEN),
        lambda: vault.get(OTHER),
        lambda: vault.names("acme"),
        lambda: vault.set(TOKEN, Secret("new")),
        lambda: vault.delete(TOKEN),
        vault.check,
        vault.accept,
    ]
    for call in calls:
        with pytest.raises(VaultDamaged):
            call()
    assert rig.place.database.read_bytes() == before


def test_a_record_moved_by_somebody_with_the_seals_key_still_does_not_open(
    rig: VaultRig, vault: Vault
) -> None:
    keys = rig.unlocked().keys()
    row = encode_record(keys, OTHER, "other's", version=2, nonce=lambda: bytes(12))
    own = keys.project("acme")
    moved = row._replace(project=own.tag, name=own.name_tag("stolen"))
    with vault.changing_slots() as (_, change):
        change.put_record(moved)
    with pytest.raises(StoreUnavailable, match="put there from elsewhere"):
        vault.get(SecretRef("acme", "stolen"))
    with pytest.raises(VaultDamaged):
        vault.names("acme")
    assert vault.get(TOKEN).reveal() == "acme's"


def test_an_older_file_put_back_is_refused_until_it_is_accepted(
    rig: VaultRig, vault: Vault
) -> None:
    older = rig.place.database.read_bytes()
    vault.set(TOKEN, Secret("newer"))
    rig.place.database.write_bytes(older)
    for call in (lambda: vault.get(TOKEN), lambda: vault.set(TOKEN, Secret("x")), vault.check):
        with pytest.raises(VaultRolledBack, match="older than its last state") as refused:
            call()
        assert "check --accept" in refused.value.hint
    vault.accept()
    assert vault.get(TOKEN).reveal() == "acme's"


def put_back(rig: VaultRig) -> Callable[[], None]:
    """Puts back the file and its mark as they are now."""
    paths = (rig.place.database, rig.place.mark(rig.unlocked().vault_id))
    before = [path.read_bytes() for path in paths]

    def restore() -> None:
        for path, data in zip(paths, before, strict=True):
            path.write_bytes(data)

    return restore


def test_who_has_seen_a_later_state_is_not_deceived_by_an_older_mark(rig: VaultRig) -> None:
    far = Keeper()
    vault = rig.vault(far=[far])
    vault.set(TOKEN, Secret("revoked"))
    restore = put_back(rig)
    vault.set(TOKEN, Secret("newer"))
    newest = far.text
    restore()
    calls = (lambda: vault.get(TOKEN), lambda: vault.set(TOKEN, Secret("x")), vault.check)
    for call in calls:
        with pytest.raises(VaultRolledBack, match="older than its last state"):
            call()
    assert far.text == newest, "no change told the far keeper of the older state"
    with pytest.raises(VaultRolledBack):
        rig.vault(far=[far]).check()


def test_what_was_seen_is_handed_on(rig: VaultRig, vault: Vault) -> None:
    restore = put_back(rig)
    vault.set(TOKEN, Secret("newer"))
    seen = vault.check().contents.mark()
    restore()
    keys = rig.unlocked().keys()
    with pytest.raises(VaultRolledBack, match="older than its last state"):
        Vault(rig.place, lambda: keys, seen=seen).get(TOKEN)


def test_what_is_accepted_is_newer_than_what_anybody_has_seen(rig: VaultRig) -> None:
    far = Keeper()
    vault = rig.vault(far=[far])
    vault.set(TOKEN, Secret("revoked"))
    restore = put_back(rig)
    for text in ("newer", "newest"):
        vault.set(TOKEN, Secret(text))
    restore()
    rig.vault(far=[far]).accept()
    assert vault.get(TOKEN).reveal() == "revoked"
    vault.set(TOKEN, Secret("set since"))
    assert rig.vault(far=[far]).check().unasked == ()


def test_another_file_of_the_same_age_is_refused(rig: VaultRig, vault: Vault) -> None:
    older, mark = rig.place.database.read_bytes(), rig.place.mark(rig.unlocked().vault_id)
    older_mark = mark.read_bytes()
    vault.set(TOKEN, Secret("one way"))
    one_way = rig.place.database.read_bytes()
    rig.place.database.write_bytes(older)
    mark.write_bytes(older_mark)
    elsewhere = rig.vault()  # the first one has seen what came after
    elsewhere.set(TOKEN, Secret("another way"))
    rig.place.database.write_bytes(one_way)
    with pytest.raises(VaultRolledBack, match="another one"):
        elsewhere.get(TOKEN)


@pytest.mark.parametrize("mark", [None, b"", b"1 1 00 00\n", b"\xff" * 99])
def test_without_its_mark_a_vault_is_refused_until_it_is_accepted(
    rig: VaultRig, vault: Vault, mark: bytes | None
) -> None:
    path = rig.place.mark(rig.unlocked().vault_id)
    path.unlink()
    if mark is not None:
        path.write_bytes(mark)
    with pytest.raises(VaultRolledBack, match="missing, or is not this vault's"):
        vault.get(TOKEN)
    vault.accept()
    assert vault.get(TOKEN).reveal() == "acme's"


def test_a_mark_that_lags_is_put_right(rig: VaultRig, vault: Vault) -> None:
    path = rig.place.mark(rig.unlocked().vault_id)
    lagging = path.read_bytes()
    vault.set(TOKEN, Secret("newer"))
    path.write_bytes(lagging)  # as a crash between file and mark leaves it
    assert vault.get(TOKEN).reveal() == "newer"
    vault.check()
    assert path.read_bytes() != lagging


def test_a_record_of_another_vault_is_not_taken(tmp_path: Path, vault: Vault) -> None:
    other = VaultRig(tmp_path / "second").make()
    other.vault().set(TOKEN, Secret("second's"))
    rig = VaultRig(tmp_path)
    edit(
        rig,
        f"ATTACH '{other.place.database}' AS other",
        "INSERT INTO records SELECT * FROM other.records",
    )
    with pytest.raises(VaultDamaged):
        vault.get(TOKEN)
    shutil.copy(other.place.database, rig.place.database)
    with pytest.raises(VaultDamaged):
        vault.get(TOKEN)


def test_projects_are_apart(vault: Vault) -> None:
    assert vault.get(TOKEN).reveal() == "acme's"
    assert vault.get(OTHER).reveal() == "other's"
    vault.delete(OTHER)
    assert vault.names("acme") == ["planner-token"]
    assert vault.names("other") == []
    with pytest.raises(SecretNotFound):
        vault.get(OTHER)


def test_each_project_belongs_to_the_configuration_that_used_it_first(vault: Vault) -> None:
    assert vault.get(TOKEN, HERE).reveal() == "acme's"
    calls: list[Callable[[], object]] = [
        lambda: vault.get(TOKEN, THERE),
        lambda: vault.names("acme", THERE),
        lambda: vault.set(TOKEN, Secret("changed"), THERE),
        lambda: vault.delete(TOKEN, THERE),
    ]
    for call in calls:
        with pytest.raises(ProjectElsewhere, match=r"belong to /acme/devwiz-gw\.toml") as refused:
            call()
        assert "secret bind" in refused.value.hint
    assert vault.get(OTHER, THERE).reveal() == "other's"
    assert vault.get(TOKEN).reveal() == "acme's", "a person who names the project is believed"


def test_a_configuration_that_was_let_in_may_use_the_project(vault: Vault) -> None:
    vault.names("acme", HERE)
    vault.rebind("acme", "bind", THERE)
    vault.rebind("acme", "bind", THERE)
    assert vault.get(TOKEN, HERE).reveal() == vault.get(TOKEN, THERE).reveal() == "acme's"


def test_a_first_use_binds_even_when_nothing_is_kept(vault: Vault) -> None:
    with pytest.raises(SecretNotFound):
        vault.get(SecretRef("third", "token"), HERE)
    vault.set(SecretRef("third", "token"), Secret("v"), HERE)
    with pytest.raises(ProjectElsewhere):
        vault.get(SecretRef("third", "token"), THERE)


def test_the_file_shows_no_names_and_no_values(rig: VaultRig, vault: Vault) -> None:
    asker = Asker(file="/canary/file", state="/canary/state")
    vault.set(SecretRef("canary-project", "canary-name"), Secret("canary-value"), asker)
    for path in (*rig.place.folder.iterdir(), *rig.place.state.iterdir()):
        data = path.read_bytes()
        for text in (b"canary", b"acme", b"planner"):
            assert text not in data
            assert text.hex().encode() not in data


class Keeper:
    """A further place for the mark."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.is_away = False

    def read(self) -> str | None:
        self._check()
        return self.text

    def write(self, text: str) -> None:
        self._check()
        self.text = text

    def _check(self) -> None:
        if self.is_away:
            raise StoreUnavailable("it is away")


def test_a_further_keeper_knows_what_file_and_mark_don_t(rig: VaultRig) -> None:
    far = Keeper()
    vault = rig.vault(far=[far])
    vault.set(TOKEN, Secret("old"))
    before = {path: path.read_bytes() for path in (rig.place.database, *rig.place.state.iterdir())}
    vault.set(TOKEN, Secret("new"))
    for path, data in before.items():
        path.write_bytes(data)
    with pytest.raises(VaultRolledBack):
        rig.vault(far=[far]).check()
    rig.vault(far=[far]).accept()
    assert rig.vault(far=[far]).check().unasked == ()


def test_a_keeper_that_is_away_is_named_and_holds_nothing_up(rig: VaultRig) -> None:
    far = Keeper()
    vault = rig.vault(far=[far])
    vault.set(TOKEN, Secret("old"))
    far.is_away = True
    vault.set(TOKEN, Secret("new"))
    assert vault.check().unasked == ("it is away",)
    far.is_away = False
    assert vault.check().unasked == ()
    assert far.text == rig.place.mark(rig.unlocked().vault_id).read_text().strip()


def test_the_version_is_the_change_that_wrote_it(rig: VaultRig, vault: Vault) -> None:
    vault.delete(TOKEN)
    vault.set(TOKEN, Secret("again"))
    versions = [row.version for row in database.read(rig.place.database).records]
    assert sorted(versions) == [3, 5]
    assert vault.check().contents.epoch == 5


def test_many_may_change_it_at_once(rig: VaultRig) -> None:
    def change(number: int) -> None:
        vault = rig.vault()
        for turn in range(4):
            vault.set(SecretRef("acme", f"s{number}"), Secret(f"{number} {turn}"))
            assert vault.get(SecretRef("acme", f"s{number}")).reveal() == f"{number} {turn}"

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(change, number) for number in range(4)]:
            done.result()
    vault = rig.vault()
    assert vault.names("acme") == ["s0", "s1", "s2", "s3"]
    assert vault.check().contents.epoch == 17


def test_wrong_keys_open_nothing(rig: VaultRig, vault: Vault) -> None:
    wrong = Keys(bytes(32), rig.unlocked().vault_id)
    with pytest.raises((VaultDamaged, VaultRolledBack)):
        Vault(rig.place, lambda: wrong).get(TOKEN)
