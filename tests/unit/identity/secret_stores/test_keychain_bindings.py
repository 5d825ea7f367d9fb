"""`identity.secret_stores.keychain_bindings`, over the helper process with a folder for items."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from identity.errors import ProjectElsewhere, SecretDamaged, SecretNotFound, StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.binding import Asker, Binding
from identity.secret_stores.keychain import Keychain
from identity.secret_stores.keychain_bindings import Bindings
from identity.secret_stores.keychain_helper import KeychainHelper
from identity.secret_stores.keychain_items import Addresses, ShardedItems
from tests.fakes import keychain_backend
from tests.fakes.keychain_backend import FolderKeyring

TOKEN = SecretRef("acme", "token")
HERE = Asker(file="/acme/devwiz-gw.toml", state="/state/devwiz-gw")
THERE = replace(HERE, file="/clone/devwiz-gw.toml")
AGENT = replace(HERE, is_agent=True)
LONG = replace(HERE, file=f"/{'deep/' * 400}devwiz-gw.toml")


class Asking:
    """Keychains over the same items, each with a helper process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: list[Keychain] = []

    def __call__(self, asker: Asker | None, kind: str = "plain") -> Keychain:
        command = keychain_backend.command(self.folder, kind)
        keychain = Keychain(KeychainHelper({}, command=command), asker=asker)
        self._made.append(keychain)
        return keychain

    def close(self) -> None:
        for keychain in self._made:
            keychain.close()


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asking]:
    asking = Asking(tmp_path)
    yield asking
    asking.close()


def test_looking_where_nothing_is_kept_binds_nothing(asked: Asking) -> None:
    keychain = asked(THERE)
    assert keychain.names("acme") == []
    with pytest.raises(SecretNotFound):
        keychain.get(TOKEN)
    with pytest.raises(SecretNotFound):
        keychain.delete(TOKEN)
    assert list(asked.folder.glob("*.item")) == []
    asked(HERE).set(TOKEN, Secret("acme's"))
    with pytest.raises(ProjectElsewhere):
        keychain.get(TOKEN)


@pytest.mark.parametrize("is_listed", [True, False])
def test_what_an_earlier_version_kept_is_bound_by_a_person(asked: Asking, is_listed: bool) -> None:
    asked(None).set(TOKEN, Secret("kept"))
    if not is_listed:
        FolderKeyring(asked.folder).delete_password("devwiz-gw/acme", "")
    for use in (
        lambda: asked(AGENT).get(TOKEN),
        lambda: asked(AGENT).set(TOKEN, Secret("changed")),
        lambda: asked(AGENT).delete(TOKEN),
    ):
        with pytest.raises(ProjectElsewhere):
            use()
    assert asked(HERE).get(TOKEN).reveal() == "kept"
    assert asked(AGENT).get(TOKEN).reveal() == "kept"
    with pytest.raises(ProjectElsewhere):
        asked(THERE).get(TOKEN)


def test_of_two_at_once_one_is_the_first(asked: Asking) -> None:
    refused: list[Asker] = []
    start = threading.Barrier(2)

    def use(asker: Asker) -> None:
        keychain = asked(asker)
        start.wait()
        try:
            keychain.set(TOKEN, Secret(asker.file))
        except ProjectElsewhere:
            refused.append(asker)

    threads = [threading.Thread(target=use, args=(asker,)) for asker in (HERE, THERE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (loser,) = refused
    winner = THERE if loser == HERE else HERE
    assert asked(winner).get(TOKEN).reveal() == winner.file
    assert asked(winner).binding("acme") == Binding((winner.file,), winner.state)


@pytest.mark.parametrize("kind", ["windows", "macos"])
@pytest.mark.parametrize("step", range(7))
def test_a_rebinding_that_dies_between_two_items_lets_nobody_else_in(
    asked: Asking, step: int, kind: str
) -> None:
    asked(HERE, kind).set(TOKEN, Secret("acme's"))
    (asked.folder / f"die-after-{step}").touch()
    try:
        asked(LONG, kind).rebind("acme", "bind")
    except StoreUnavailable:
        (asked.folder / f"die-after-{step}").unlink(missing_ok=True)
    files = asked(HERE, kind).binding("acme")
    assert files is not None
    assert files.files in {(HERE.file,), (HERE.file, LONG.file)}
    assert asked(HERE, kind).get(TOKEN).reveal() == "acme's"
    with pytest.raises(ProjectElsewhere):
        asked(THERE, kind).get(TOKEN)


@pytest.mark.parametrize("step", range(4))
def test_a_first_use_that_dies_is_bound_or_keeps_nothing(asked: Asking, step: int) -> None:
    (asked.folder / f"die-after-{step}").touch()
    try:
        asked(HERE).set(TOKEN, Secret("acme's"))
    except StoreUnavailable:
        (asked.folder / f"die-after-{step}").unlink(missing_ok=True)
    kept = {path.name for path in asked.folder.glob("*.item")}
    assert not kept or asked(HERE).binding("acme") == Binding((HERE.file,), HERE.state)


@pytest.mark.parametrize("text", ["", "nonsense", '1={"project": "other", "files": []}', "1=[5]"])
def test_a_damaged_binding_is_no_binding_and_is_bound_anew(asked: Asking, text: str) -> None:
    asked(HERE).set(TOKEN, Secret("acme's"))
    FolderKeyring(asked.folder).set_password("devwiz-gw/acme#bound", "", text)
    for asker in (HERE, THERE):
        with pytest.raises(SecretDamaged, match="bound to in the keychain is damaged") as damaged:
            asked(asker).get(TOKEN)
        assert "secret bind" in damaged.value.hint
        with pytest.raises(SecretDamaged):
            asked(asker).rebind("acme", "move")
    asked(HERE).rebind("acme", "bind")
    assert asked(HERE).get(TOKEN).reveal() == "acme's"


def test_a_binding_of_another_project_is_of_no_use_here(asked: Asking) -> None:
    asked(HERE).set(TOKEN, Secret("acme's"))
    asked(THERE).set(SecretRef("other", "token"), Secret("other's"))
    items = FolderKeyring(asked.folder)
    items.path("devwiz-gw/other#bound").replace(items.path("devwiz-gw/acme#bound"))
    with pytest.raises(SecretDamaged):
        asked(THERE).get(TOKEN)


class CountedItems:
    """Items in a dictionary, which counts how often one is read."""

    def __init__(self) -> None:
        self.items: dict[str, str] = {}
        self.reads = 0

    def read(self, address: str) -> str | None:
        self.reads += 1
        return self.items.get(address)

    def write(self, address: str, text: str) -> None:
        self.items[address] = text

    def remove(self, address: str) -> None:
        self.items.pop(address, None)


def test_a_burst_of_calls_looks_once_and_the_next_sees_what_changed() -> None:
    items, now = CountedItems(), [100.0]

    def opened() -> Bindings:
        values = ShardedItems(items, limit=None, new_generation=lambda: "00")
        where = Addresses("devwiz-gw", fold_case=False)
        return Bindings(values, where, lock=nullcontext, clock=lambda: now[0])

    def use(asker: Asker) -> bool:
        return bindings.admit("acme", asker, is_storing=True, is_kept=lambda: True)

    bindings = opened()
    assert use(HERE)
    assert not use(HERE)
    reads = items.reads
    for _ in range(10):
        assert not use(HERE)
    assert items.reads == reads
    others = opened()
    others.rebind("acme", "bind", THERE, "")
    others.rebind("acme", "unbind", THERE, HERE.file)
    now[0] += 1.0
    with pytest.raises(ProjectElsewhere):
        use(HERE)
    assert not use(THERE)
    bindings.rebind("acme", "bind", HERE, "")
    bindings.rebind("acme", "unbind", HERE, THERE.file)
    with pytest.raises(ProjectElsewhere):
        use(THERE)
