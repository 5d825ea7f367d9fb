"""Whoever loses a key gets back in by the recovery code, and the lost key opens nothing."""

from __future__ import annotations

from tests.e2e.mfa.conftest import VALUE, MfaProject


def test_a_lost_key_is_replaced_by_the_recovery_code(project: MfaProject) -> None:
    project.drawer.add(b"blue" * 8)
    project.drawer.add(b"red!" * 8)
    project.enrol(0)
    code = project.recovery_code()
    assert project.say("secret", "set", "--touch", "db", given=VALUE)[0] == 0
    project.drawer.change(0, plugged=False)
    project.drawer.change(1, plugged=True)
    answers = (("recovery code: ", code), ("press Enter ", ""))
    exit_code, shown = project.see("mfa", "add", "--recovery", typed=answers)
    assert exit_code == 0, shown
    exit_code, shown = project.see("mfa", "rm", "1", "--recovery", typed=answers[:1])
    assert exit_code == 0, shown
    exit_code, shown = project.see("secret", "get", "db", "--show")
    assert shown.replace("\r", "").endswith(f"{VALUE}\n"), shown
    project.drawer.change(0, plugged=True)
    project.drawer.change(1, plugged=False)
    assert "not enrolled here" in project.see("secret", "get", "db", "--show")[1]
    exit_code, shown = project.see(
        "mfa", "test", "--recovery", typed=(("recovery code: ", "0000"),)
    )
    assert "that is not the recovery code" in shown
