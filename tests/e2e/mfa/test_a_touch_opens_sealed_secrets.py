"""A sealed secret is read with a touch of an enrolled key, and by nothing else."""

from __future__ import annotations

import pytest

from tests.e2e.mfa.conftest import VALUE, MfaProject


@pytest.fixture
def sealed(project: MfaProject) -> MfaProject:
    project.drawer.add(b"blue" * 8)
    project.enrol()
    project.recovery_code()
    code, _, errors = project.say("secret", "set", "--touch", "db", given=VALUE)
    assert (code, errors) == (0, "acme/db is sealed\n")
    return project


def test_a_touch_reads_it(sealed: MfaProject) -> None:
    code, shown = sealed.see("secret", "get", "db", "--show")
    assert code == 0, shown
    assert "A touch approves: secret get" in shown
    assert shown.replace("\r", "").endswith(f"touch your security key\n{VALUE}\n")


def test_without_a_touch_it_can_not_be_read(sealed: MfaProject) -> None:
    code, out, errors = sealed.say("secret", "get", "db")
    assert (code, out) == (1, "")
    assert "no terminal to show what a touch approves" in errors
    sealed.drawer.change(0, touches=False)
    code, shown = sealed.see("secret", "get", "db", "--show")
    assert code == 1
    assert "the key was not touched in time" in shown
    sealed.drawer.change(0, plugged=False)
    code, shown = sealed.see("secret", "get", "db", "--show")
    assert code == 1
    assert "no security key is plugged in" in shown
    assert VALUE not in shown


def test_a_strange_key_does_not_read_it(sealed: MfaProject) -> None:
    sealed.drawer.change(0, plugged=False)
    sealed.drawer.add(b"evil" * 8)
    code, shown = sealed.see("secret", "get", "db", "--show")
    assert code == 1
    assert "not enrolled here" in shown


def test_a_program_gets_it_with_one_touch_for_all(sealed: MfaProject) -> None:
    assert sealed.say("secret", "set", "--touch", "key", given=VALUE)[0] == 0
    code, shown = sealed.see("run", "--", "sh", "-c", "echo got $DB $KEY")
    assert code == 0, shown
    assert f"got {VALUE} {VALUE}" in shown
    assert shown.count("touch your security key") == 1
    assert "sh -c echo got" in shown


def test_it_stays_sealed_when_it_is_set_again(sealed: MfaProject) -> None:
    assert sealed.say("secret", "set", "db", given="second")[2] == "acme/db is sealed\n"
    assert sealed.see("secret", "get", "db", "--show")[1].replace("\r", "").endswith("second\n")


def test_sealing_takes_enough_keys(project: MfaProject) -> None:
    project.drawer.add(b"blue" * 8)
    project.enrol()
    code, _, errors = project.say("secret", "set", "--touch", "db", given=VALUE)
    assert code == 1
    assert "would be lost with one security key" in errors
