"""A vault's slot of the kind fido2: one touch unlocks it."""

from __future__ import annotations

from tests.e2e.mfa.conftest import VALUE, MfaProject
from tests.fakes.vault import PASSPHRASE


def test_a_touch_unlocks_the_vault(project: MfaProject) -> None:
    project.drawer.add(b"blue" * 8)
    passphrase = (("passphrase of the vault: ", PASSPHRASE),)
    code, shown = project.see("vault", "slots", "add", "fido2", "--label", "blue", typed=passphrase)
    assert code == 0, shown
    assert "blue" in project.say("vault", "slots", "list")[1]
    project.say("vault", "lock")
    code, shown = project.see("vault", "unlock", "--with", "fido2")
    assert code == 0, shown
    assert shown.count("touch your security key") == 1
    assert project.say("secret", "get", "db")[:2] == (0, VALUE)
    project.say("vault", "lock")
    project.drawer.change(0, plugged=False)
    code, shown = project.see("vault", "unlock", "--with", "fido2")
    assert code == 1
    assert "no security key is plugged in" in shown
    code, shown = project.see("vault", "slots", "remove", "2", typed=passphrase)
    assert code == 0, shown
