"""A slot in the real gnome-keyring: opened by being signed in, refused while that is locked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.vault.conftest import PASSPHRASE, Headless
from tests.fakes.secret_service import SessionBus, gnome_keyring, session_bus


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[SessionBus]:
    with session_bus(tmp_path) as bus, gnome_keyring(bus):
        yield bus


@pytest.fixture
def signed_in(tmp_path: Path, bus: SessionBus) -> Iterator[Headless]:
    machine = Headless(tmp_path, bus.env)
    machine.make()
    machine.done("vault", "slots", "add", "keychain", passphrase=PASSPHRASE)
    yield machine
    machine.run("vault", "lock")


def test_being_signed_in_opens_it(signed_in: Headless, bus: SessionBus) -> None:
    signed_in.done("vault", "unlock", "--with", "keychain")
    signed_in.done("secret", "set", "token", said="canary-value")
    assert signed_in.get("token") == "canary-value"
    kept = [(attributes["service"], text) for attributes, text in bus.stored_items()]
    assert {service.split("/")[0] for service, _ in kept} == {"devwiz-gw-vault"}
    assert "canary-value" not in str(kept)
    # A configuration with the store "keychain" can't name the key, whatever it calls its project.
    for project in ("vault-keys", "vault-marks"):
        work = signed_in.project(project)
        (work / "devwiz-gw.toml").write_text(f'project = "{project}"\n')
        assert signed_in.run("secret", "list", at=work).stdout == ""


def test_a_locked_keychain_says_so_and_the_passphrase_still_opens(
    signed_in: Headless, bus: SessionBus
) -> None:
    bus.lock()
    refused = signed_in.run("vault", "unlock", "--with", "keychain")
    assert refused.returncode == 1
    assert "the keychain is locked: unlock it" in refused.stderr
    said = signed_in.done("vault", "unlock", passphrase=PASSPHRASE)
    assert "checked by its mark file only: the keychain is locked" in said


def test_the_keychain_remembers_what_the_disk_was_made_to_forget(
    signed_in: Headless, tmp_path: Path
) -> None:
    signed_in.done("vault", "unlock", "--with", "keychain")
    signed_in.done("secret", "set", "token", said="revoked")
    folders = (signed_in.vault, signed_in.state)
    for folder in folders:
        backup = tmp_path / "backup" / folder.parts[-3]
        shutil.copytree(folder, backup, ignore=shutil.ignore_patterns("*.sock"))
    signed_in.done("secret", "set", "token", said="new")
    signed_in.done("vault", "lock")
    for folder in folders:
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "backup" / folder.parts[-3], folder)
    refused = signed_in.run("vault", "unlock", "--with", "keychain")
    assert "older than its last state" in refused.stderr


def test_a_removed_slot_leaves_nothing_in_the_keychain(
    signed_in: Headless, bus: SessionBus
) -> None:
    assert bus.stored_items() != []
    signed_in.done("vault", "slots", "remove", "2", passphrase=PASSPHRASE)
    services = [attributes["service"] for attributes, _ in bus.stored_items()]
    assert not [service for service in services if "vault-keys" in service]
    refused = signed_in.run("vault", "unlock", "--with", "keychain")
    assert "was not unlocked" in refused.stderr
