"""A wrong PIN, a key that has locked itself, and one that is taken out, as a person meets them."""

from __future__ import annotations

import pytest

from tests.e2e.mfa.conftest import VALUE, MfaProject

PIN, WRONG = "123456", "654321"
_ASKED = "PIN of the security key: "
_READING = ("secret", "get", "db", "--show")


@pytest.fixture
def sealed(project: MfaProject) -> MfaProject:
    """A key with a PIN is enrolled, and the secret `db` sealed for it."""
    project.drawer.add(b"blue" * 8, pin=PIN)
    code, shown = project.see("mfa", "add", "--label", "blue", typed=((_ASKED, PIN),) * 2)
    assert code == 0, shown
    project.recovery_code(pin=PIN)
    assert project.say("secret", "set", "--touch", "db", given=VALUE)[0] == 0
    return project


def read(sealed: MfaProject, pin: str) -> tuple[int, str]:
    code, shown = sealed.see(*_READING, typed=((_ASKED, pin),))
    assert pin not in shown
    return code, shown


def test_a_wrong_pin_reads_nothing_and_the_right_one_does(sealed: MfaProject) -> None:
    code, shown = read(sealed, WRONG)
    assert code == 1
    assert "that is not the key's PIN" in shown
    assert "7 tries are left until the key locks itself" in shown
    assert VALUE not in shown
    code, shown = read(sealed, PIN)
    assert code == 0, shown
    assert VALUE in shown


def test_a_wrong_pin_starts_no_program(sealed: MfaProject) -> None:
    words = ("run", "--only", "DB", "--", "sh", "-c", "echo it ran")
    code, shown = sealed.see(*words, typed=((_ASKED, WRONG),))
    assert code == 1
    assert "that is not the key's PIN" in shown
    assert "\nit ran" not in shown
    refused = [line for line in sealed.journal() if line["action"] == "mfa.approve"][-1]
    assert refused["outcome"] == "denied"


def test_a_key_that_has_locked_itself_stays_so(sealed: MfaProject) -> None:
    sealed.drawer.change(0, tries=1)
    code, shown = read(sealed, WRONG)
    assert code == 1
    assert VALUE not in shown
    assert sealed.drawer.read()[0]["tries"] == 0
    code, shown = sealed.see(*_READING)
    assert code == 1, "the right PIN comes too late: none is asked for"
    assert "is locked" in shown
    assert "hint: " in shown
    assert VALUE not in shown


def test_a_key_that_is_taken_out_while_it_blinks(sealed: MfaProject) -> None:
    sealed.drawer.change(0, leaves=True)
    code, shown = read(sealed, PIN)
    assert code == 1
    assert "went away" in shown
    assert VALUE not in shown
    sealed.drawer.change(0, leaves=False)
    assert read(sealed, PIN)[0] == 0
