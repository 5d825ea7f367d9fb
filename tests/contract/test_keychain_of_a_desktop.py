"""The keychain over the real gnome-keyring: locked, absent, new, and a prompt nobody answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from identity.errors import SecretNotFound, StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.keychain import Keychain
from identity.secret_stores.keychain_helper import KeychainHelper
from tests.contract.secret_store_suite import processes_showing
from tests.fakes.secret_service import (
    SessionBus,
    gnome_keyring,
    session_bus,
    session_env,
    silent_prompter,
)

TOKEN = SecretRef("acme", "planner-token")


@contextmanager
def keychain_of(env: dict[str, str], *, prompt_timeout_s: float = 5) -> Iterator[Keychain]:
    keychain = Keychain(KeychainHelper(env, prompt_timeout_s=prompt_timeout_s))
    yield keychain
    keychain.close()


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[SessionBus]:
    with session_bus(tmp_path) as bus:
        yield bus


def test_values_are_in_one_item_each_and_names_in_one_more(bus: SessionBus) -> None:
    with gnome_keyring(bus), keychain_of(bus.env) as keychain:
        keychain.set(TOKEN, Secret("value"))
        items = {attributes["service"]: text for attributes, text in bus.stored_items()}
        assert items.pop("devwiz-gw/acme/planner-token") == "1=value"
        assert json.loads(items.pop("devwiz-gw/acme").removeprefix("1=")) == {
            "names": ["planner-token"]
        }
        assert items == {}


def test_a_locked_keyring_without_a_desktop_says_so(bus: SessionBus) -> None:
    with gnome_keyring(bus), keychain_of(bus.env) as keychain:
        keychain.set(TOKEN, Secret("value"))
        bus.lock()
        with pytest.raises(StoreUnavailable, match="keychain is locked: unlock it"):
            keychain.get(TOKEN)
        with pytest.raises(StoreUnavailable, match="keychain is locked: unlock it"):
            keychain.names("acme")


def test_a_prompt_that_nobody_answers_is_not_waited_for_without_end(bus: SessionBus) -> None:
    with gnome_keyring(bus), keychain_of(bus.env, prompt_timeout_s=0.5) as keychain:
        keychain.set(TOKEN, Secret("value"))
        bus.lock()
        with silent_prompter(bus):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match="keychain is locked: unlock it") as error:
                keychain.get(TOKEN)
            assert "nobody answered" in error.value.hint
            assert 0.5 <= time.monotonic() - began < 5
            # Further calls don't put the question again, and so return at once.
            with pytest.raises(StoreUnavailable, match="keychain is locked: unlock it") as error:
                keychain.get(TOKEN)
            assert "nobody is asked" in error.value.hint


def test_without_a_session_bus_there_is_no_keychain(tmp_path: Path) -> None:
    absent = pytest.raises(StoreUnavailable, match="no keychain in this session")
    with keychain_of(session_env(tmp_path)) as keychain, absent:
        keychain.get(TOKEN)


def test_with_a_dead_session_bus_there_is_no_keychain(tmp_path: Path) -> None:
    env = session_env(tmp_path) | {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/none"}
    absent = pytest.raises(StoreUnavailable, match="no keychain in this session")
    with keychain_of(env) as keychain, absent:
        keychain.get(TOKEN)


def test_a_session_bus_that_ends_is_no_longer_a_keychain(tmp_path: Path) -> None:
    with session_bus(tmp_path) as bus, gnome_keyring(bus), keychain_of(bus.env) as keychain:
        keychain.set(TOKEN, Secret("value"))
    absent = pytest.raises(StoreUnavailable, match="no keychain in this session")
    with keychain_of(bus.env) as keychain, absent:
        keychain.get(TOKEN)


def test_reading_where_nothing_was_kept_yet_asks_nobody(bus: SessionBus) -> None:
    keyring, prompter = gnome_keyring(bus, collection="none"), silent_prompter(bus)
    with keyring, prompter, keychain_of(bus.env, prompt_timeout_s=0.5) as keychain:
        assert keychain.names("acme") == []
        with pytest.raises(SecretNotFound):
            keychain.get(TOKEN)
        with pytest.raises(StoreUnavailable, match="keychain is locked: unlock it"):
            keychain.set(TOKEN, Secret("value"))


def test_variables_and_files_do_not_swap_the_keychain(bus: SessionBus) -> None:
    config = Path(bus.env["HOME"], ".config", "python_keyring")
    config.mkdir(parents=True)
    config.joinpath("keyringrc.cfg").write_text(
        "[backend]\ndefault-keyring=keyring.backends.null.Keyring\n", encoding="ascii"
    )
    env = bus.env | {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    with gnome_keyring(bus), keychain_of(env) as keychain:
        keychain.set(TOKEN, Secret("value"))
        assert keychain.get(TOKEN).reveal() == "value"
        assert len(bus.stored_items()) == 2


def test_no_process_shows_the_value(bus: SessionBus) -> None:
    canary = f"canary-{time.monotonic_ns()}"
    with gnome_keyring(bus), keychain_of(bus.env) as keychain:
        keychain.set(TOKEN, Secret(canary))
        keychain.get(TOKEN)
        assert processes_showing(canary) == []
