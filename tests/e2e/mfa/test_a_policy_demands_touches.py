"""What the policy names goes on after a touch only, and the journal proves that there was one."""

from __future__ import annotations

import json

import pytest

from tests.e2e.mfa.conftest import VALUE, MfaProject
from tests.fakes.vault import PASSPHRASE

POLICY = """
[mfa]
touch = ["secret:d*", "command:vault unlock", "command:identity export", "sign-in"]
"""


@pytest.fixture
def guarded(project: MfaProject) -> MfaProject:
    project.drawer.add(b"blue" * 8, pin="123456")
    code, shown = project.see("mfa", "add", typed=(("PIN of the security key: ", "123456"),) * 2)
    assert code == 0, shown
    assert "user verification is required" in shown
    code, shown = project.see("mfa", "test", typed=(("PIN of the security key: ", "123456"),))
    assert code == 0, shown
    project.write(POLICY)
    return project


def with_code(project: MfaProject) -> None:
    terminal = project.open("mfa", "recovery")
    terminal.wait_for("PIN of the security key: ")
    terminal.type("123456\r")
    terminal.wait_for("It is shown this once:\r\n\r\n    ")
    terminal.wait_for("as you have written it down: ")
    terminal.type(terminal.seen.split("once:\r\n\r\n    ")[1].split("\r\n")[0] + "\r")
    assert terminal.wait() == 0, terminal.seen
    terminal.close()


def test_one_key_alone_is_not_enough(guarded: MfaProject) -> None:
    code, shown = guarded.see("secret", "get", "db", "--show")
    assert code == 1
    assert "would be locked out" in shown
    assert VALUE not in shown
    assert guarded.say("secret", "get", "key")[:2] == (0, VALUE)


def test_a_touch_lets_it_go_on_and_is_proven_later(guarded: MfaProject) -> None:
    with_code(guarded)
    typed = (("PIN of the security key: ", "123456"),)
    code, shown = guarded.see("secret", "get", "db", "--show", typed=typed)
    assert code == 0, shown
    assert VALUE in shown
    assert "123456" not in shown
    code, shown = guarded.see("secret", "get", "db", "--show", typed=((typed[0][0], "000000"),))
    assert code == 1
    assert "that is not the key's PIN" in shown
    assert "7 tries are left" in shown
    events = [(line["action"], line["outcome"]) for line in guarded.journal()]
    assert events[-4:] == [
        ("mfa.approve", "ok"),
        ("secret.read", "begun"),
        ("secret.read", "ok"),
        ("mfa.approve", "denied"),
    ]
    code, out, _ = guarded.say("audit", "verify", "--json")
    verdict = json.loads(out)
    assert (code, verdict["ok"]) == (0, True)
    assert verdict["touches_proven"] == 3
    forge(guarded)
    code, out, _ = guarded.say("audit", "verify", "--json", "--no-store")
    assert code == 1
    assert "not proven" in json.dumps(json.loads(out)["problems"])


def forge(project: MfaProject) -> None:
    """Make the journal tell of another secret than was touched for."""
    path = project.folder / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
    path.write_text(path.read_text().replace('"names":["db"]', '"names":["key"]'))


def test_other_commands_ask_as_well(guarded: MfaProject) -> None:
    with_code(guarded)
    for command in (("identity", "export", "--dir", "tls"), ("run", "--", "env")):
        code, out, errors = guarded.say(*command)
        assert (code, out) == (1, ""), errors
        assert "no terminal to show what a touch approves" in errors
    guarded.say("vault", "lock")
    code, _, errors = guarded.say("vault", "unlock", "--passphrase-fd", "0", given=PASSPHRASE)
    assert code == 1
    assert "no terminal to show what a touch approves" in errors
    typed = (("passphrase of the vault: ", PASSPHRASE), ("PIN of the security key: ", "123456"))
    code, shown = guarded.see("vault", "unlock", typed=typed)
    assert code == 0, shown
    assert "A touch approves: vault unlock" in shown


def test_a_policy_that_can_not_be_read_is_not_taken_for_none(guarded: MfaProject) -> None:
    guarded.write('[mfa]\ntouch = ["secret"]\n')
    code, out, errors = guarded.say("secret", "get", "key")
    assert (code, out) == (1, "")
    assert "mfa.touch[0]" in errors


def test_an_agent_is_allowed_by_a_touch_and_not_by_typing(guarded: MfaProject) -> None:
    with_code(guarded)
    guarded.env["CLAUDECODE"] = "1"
    typed = (("PIN of the security key: ", "123456"),)
    code, shown = guarded.see("secret", "get", "key", "--show", typed=typed)
    assert code == 0, shown
    assert "Give it?" not in shown
    guarded.drawer.change(0, touches=False)
    code, shown = guarded.see("secret", "get", "key", "--show", typed=typed)
    assert code == 1
    assert VALUE not in shown


def test_a_touch_ahead_is_for_several_commands(guarded: MfaProject) -> None:
    with_code(guarded)
    typed = (("PIN of the security key: ", "123456"),)
    code, shown = guarded.see("mfa", "allow", "db", "--times", "2", typed=typed)
    assert code == 0, shown
    for _ in range(2):
        assert guarded.say("secret", "get", "db")[:2] == (0, VALUE)
    code, out, errors = guarded.say("secret", "get", "db")
    assert (code, out) == (1, "")
    assert "no terminal" in errors
    assert guarded.say("audit", "verify", "--no-store")[0] == 0
