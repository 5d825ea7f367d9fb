"""`gateway.cli.mfa_scope`: two commands that change a project's security keys at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.audit.event import Event, fields_of
from gateway.audit.files import lines_of
from gateway.audit.journal import Journal
from gateway.cli.mfa_scope import MfaScope
from gateway.cli.secret_scope import Scope
from gateway.cli.touch import load_keys
from gateway.config.mfa_policy import MfaConfig
from identity.errors import TouchDenied
from identity.mfa.enrolled import EnrolledKeys, KeySlot
from identity.secret_stores.guarded import GuardedStore
from tests.fakes.kept_secrets import KeptSecrets

REMOVED = Event(action="mfa.remove", outcome="ok", name="1")
PUBLIC = bytes(32)


def slot(number: int) -> KeySlot:
    return KeySlot(
        number=number,
        label="",
        credential=b"c",
        public_key=b"p",
        verified=True,
        salt=b"s",
        box=b"b",
    )


class Rig:
    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "acme" / "audit.jsonl", project="acme")
        self.store = GuardedStore(KeptSecrets({}))

    def begun(self) -> MfaScope:
        """A command that has read the keys."""
        inner = Scope(kind="vault", project="acme", store=self.store, journal=self.journal)
        keys = load_keys(self.store, "acme")
        return MfaScope(keys=keys, command="", by_code=False, policy=MfaConfig(), inner=inner)

    def numbers(self) -> list[int]:
        keys = load_keys(self.store, "acme")
        return [one.number for one in keys.slots] if keys else []

    def events(self) -> list[object]:
        lines = lines_of(self.journal.path) if self.journal.path.exists() else ()
        return [(fields_of(line) or {}).get("action") for line in lines]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_key_that_was_removed_meanwhile_does_not_come_back(rig: Rig) -> None:
    three = EnrolledKeys(public=PUBLIC, slots=(slot(1), slot(2), slot(3)))
    rig.begun().change(three, Event(action="mfa.add", outcome="ok"))
    adding, removing = rig.begun(), rig.begun()
    removing.change(removing.enrolled.without(1), REMOVED)
    with pytest.raises(TouchDenied, match="changed by another command meanwhile"):
        adding.change(adding.enrolled.with_slot(slot(4)), Event(action="mfa.add", outcome="ok"))
    assert rig.numbers() == [2, 3]
    assert rig.events() == ["mfa.add", "mfa.remove"], "only what was done is told"


def test_of_two_first_enrolments_one_is_the_first(rig: Rig) -> None:
    one, other = rig.begun(), rig.begun()
    one.change(EnrolledKeys(public=PUBLIC, slots=(slot(1),)), REMOVED)
    with pytest.raises(TouchDenied):
        other.change(EnrolledKeys(public=b"o" * 32, slots=(slot(1),)), REMOVED)
    again = rig.begun()
    again.change(again.enrolled.with_slot(slot(2)), REMOVED)
    assert rig.numbers() == [1, 2]
