"""`gateway.cli.touch`: the gate, over a vault and a security key in software."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.event import CHECKPOINT, Event, fields_of
from gateway.audit.files import lines_of
from gateway.audit.journal import Journal
from gateway.audit.key import key_ref, place_of, reached_ref, signer_of
from gateway.audit.verify import Expected, Problem, verify
from gateway.cli import touch
from gateway.cli.touch import Action, Gate
from gateway.cli.touch_ledger import TouchLedger
from gateway.config.mfa_policy import MfaConfig
from identity.errors import SecretDamaged, TouchDenied
from identity.mfa.assertion import encoded
from identity.mfa.enrolled import EnrolledKeys, KeySlot, Lock, encode, keys_ref
from identity.mfa.sealed import seal
from identity.mfa.statement import Statement
from identity.secret_stores.base import Secret, SecretRef, not_set
from tests.fakes.authenticator import Authenticator
from tests.fakes.touches import Ada, candidate, ceremony_of, enrolled

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOCK = Lock(b"p" * 32, "acme")
NAMES = ("db", "key")


class Kept(dict[str, str]):
    """A store in memory."""

    def sealed(self, ref: SecretRef) -> Secret:
        if ref.name not in self:
            raise not_set(ref)
        return Secret(self[ref.name])

    def set(self, ref: SecretRef, value: Secret) -> None:
        self[ref.name] = value.reveal()


class Rig:
    """Two sealed secrets, one plain, and an enrolled key with a recovery code."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.device = Authenticator()
        self.now = AT
        self.journal = Journal(folder / "audit.jsonl", project="acme", now=lambda: self.now)
        self.shown: list[str] = []
        made = enrolled(self.device)
        secret = ceremony_of(folder, Ada(), self.device).touch(bytes(32), [candidate(made)]).secret
        slot = KeySlot(
            number=1,
            label="blue",
            credential=made.credential,
            public_key=made.public_key,
            verified=made.verified,
            salt=b"s" * 32,
            box=LOCK.box_for_key(secret, 1, nonce=b"n" * 12),
        )
        self.keys = EnrolledKeys(public=LOCK.public, slots=(slot,), recovery=b"code")
        self.store = Kept({keys_ref("acme").name: encode(self.keys), "plain": "plain"})
        for name in NAMES:
            self.store[name] = seal(f"value of {name}", SecretRef("acme", name), LOCK.public)

        def ceremony(shown: list[str]) -> object:
            self.shown += shown
            return ceremony_of(folder, Ada(), self.device)

        monkeypatch.setattr(touch, "ceremony", ceremony)

    def gate(
        self,
        policy: MfaConfig | None = None,
        *,
        names: tuple[str, ...] = NAMES,
        argv: tuple[str, ...] = (),
    ) -> Gate:
        what = Action(command="run", names=names, argv=argv)
        return Gate(self.store, self.journal, policy or MfaConfig(), what, now=lambda: self.now)

    def events(self) -> list[tuple[str, str]]:
        lines = [fields_of(line) or {} for line in lines_of(self.journal.path)]
        told = [(line["action"], line["outcome"]) for line in lines]
        return [item for item in told if item[0] != CHECKPOINT]

    def said(self) -> dict[str, bytes]:
        """The files that are the user's own to write."""
        folder = self.journal.path.parent
        return {name: (folder / name).read_bytes() for name in ("touched.json", "audit.jsonl")}

    def put_back(self, said: dict[str, bytes], *names: str) -> None:
        for name in names:
            (self.journal.path.parent / name).write_bytes(said[name])

    def is_asked(self, *names: str) -> bool:
        """Whether a command that reads these asks for a touch."""
        asked = self.device.asked
        self.gate(POLICY, names=names).approve()
        return self.device.asked > asked


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    for name in list(os.environ):
        if name.startswith(("CLAUDE", "CURSOR", "CODEX", "AGENT", "AI_AGENT")):
            monkeypatch.delenv(name)
    return Rig(tmp_path, monkeypatch)


def ref(name: str) -> SecretRef:
    return SecretRef("acme", name)


def test_one_touch_reads_all_that_it_was_shown_for(rig: Rig) -> None:
    gate = rig.gate(argv=("node", "server.js"))
    asked = rig.device.asked
    assert [gate.read(ref(name)).reveal() for name in NAMES] == ["value of db", "value of key"]
    assert rig.device.asked == asked + 1
    assert "A touch approves: run" in rig.shown
    assert any("node server.js" in line for line in rig.shown)
    assert rig.events() == [("mfa.approve", "ok")]
    gate.read(ref("db"))
    assert rig.device.asked == asked + 2, "each of them was for once"


def test_a_touch_ends(rig: Rig) -> None:
    gate = rig.gate(MfaConfig(secrets=("db",), within_s=60))
    gate.approve()
    asked = rig.device.asked
    rig.now += timedelta(seconds=61)
    gate.read(ref("db"))
    assert rig.device.asked == asked + 1


def test_what_is_open_and_not_in_the_policy_needs_none(rig: Rig) -> None:
    gate = rig.gate(MfaConfig(secrets=("other",)))
    assert gate.approve(what="x") == ""
    assert gate.read(ref("plain")).reveal() == "plain"
    assert not rig.journal.path.exists()


def test_where_the_policy_is_unknown_enrolled_keys_are_asked(rig: Rig) -> None:
    unknown = MfaConfig(is_unknown=True)
    asked = rig.device.asked
    rig.gate(unknown, names=("plain",)).approve(what="x")
    assert rig.device.asked == asked + 1
    assert rig.events() == [("mfa.approve", "ok")]
    del rig.store[keys_ref("acme").name]
    rig.gate(unknown, names=("plain",)).approve(what="x")
    assert rig.device.asked == asked + 1


def test_no_touch_is_on_record(rig: Rig) -> None:
    rig.device.touches = False
    with pytest.raises(TouchDenied):
        rig.gate(MfaConfig(commands=frozenset(("run",)))).approve()
    assert rig.events() == [("mfa.approve", "denied")]


def test_keys_that_others_put_there_open_nothing(rig: Rig) -> None:
    foreign = Lock(b"q" * 32, "acme")
    rig.store[keys_ref("acme").name] = encode(
        EnrolledKeys(public=foreign.public, slots=rig.keys.slots, recovery=b"code")
    )
    with pytest.raises(TouchDenied, match="doesn't open the project's lock"):
        rig.gate().read(ref("db"))


def test_damage_is_told(rig: Rig) -> None:
    rig.store["db"] = rig.store["key"]
    with pytest.raises(SecretDamaged, match="acme/db can't be opened"):
        rig.gate().read(ref("db"))
    rig.store[keys_ref("acme").name] = "{"
    with pytest.raises(SecretDamaged, match="security keys is damaged"):
        rig.gate().read(ref("db"))


@pytest.mark.parametrize("keys", [None, EnrolledKeys(public=LOCK.public)])
def test_without_a_key_it_is_refused(rig: Rig, keys: EnrolledKeys | None) -> None:
    name = keys_ref("acme").name
    del rig.store[name]
    if keys is not None:
        rig.store[name] = encode(keys)
    with pytest.raises(TouchDenied, match="no security key is enrolled"):
        rig.gate(MfaConfig(sign_in=True)).approve(sign_in=True)


def test_too_many_names_are_refused(rig: Rig) -> None:
    many = tuple(f"name{number}" for number in range(65))
    with pytest.raises(TouchDenied, match="64 names at most"):
        rig.gate(MfaConfig(secrets=("*",)), names=many).approve()


def ahead(rig: Rig, *, uses: int = 3, within_s: int = 300) -> None:
    action = Action(command="run", targets=NAMES, uses=uses)
    policy = MfaConfig(within_s=within_s)
    Gate(rig.store, rig.journal, policy, action, now=lambda: rig.now).touch_ahead()


POLICY = MfaConfig(secrets=("*",))


def test_one_touch_ahead_is_for_so_many_readings(rig: Rig) -> None:
    ahead(rig)
    assert "3 times" in "".join(rig.shown)
    asked = rig.device.asked
    rig.gate(POLICY).approve()
    rig.gate(POLICY, names=("db",)).approve()
    assert rig.device.asked == asked
    rig.gate(POLICY, names=("db",)).approve()
    assert rig.device.asked == asked + 1, "it is used up"
    assert rig.events() == [
        ("mfa.approve", "ok"),
        ("mfa.use", "ok"),
        ("mfa.use", "ok"),
        ("mfa.approve", "ok"),
    ]
    lines = [fields_of(line) or {} for line in lines_of(rig.journal.path)]
    known = frozenset((encoded(rig.keys.slots[0].public_key),))
    key = signer_of(Secret(rig.store[key_ref("acme").name])).public_key
    expected = Expected(
        touch_keys=known,
        keys=frozenset((key,)),
        reached=place_of(Secret(rig.store[reached_ref("acme").name])),
    )

    def problems() -> list[Problem]:
        return verify([("audit.jsonl", lines_of(rig.journal.path))], expected).problems

    assert problems() == []
    (nonce, *_) = [line["approval"] for line in lines if line["action"] == "mfa.use"]
    more = {"approval": nonce, "uses": 1}
    rig.journal.write(Event(action="mfa.use", outcome="ok", more=more))
    (problem,) = problems()
    assert "more often than was approved" in problem.what


def test_a_file_that_is_put_back_gives_no_more(rig: Rig) -> None:
    ahead(rig)
    before = rig.said()
    assert not rig.is_asked("db", "key")
    rig.put_back(before, "touched.json")
    assert rig.is_asked("db", "key"), "one is left"
    rig.put_back(before, "touched.json")
    assert not rig.is_asked("db")
    rig.put_back(before, "touched.json")
    assert rig.is_asked("db")


def test_a_journal_that_is_put_back_gives_no_more(rig: Rig) -> None:
    ahead(rig)
    before = rig.said()
    assert not rig.is_asked("db")
    rig.put_back(before, "touched.json", "audit.jsonl")
    assert rig.is_asked("db")
    assert rig.is_asked("db"), "nor later"


@pytest.mark.parametrize("number", [2, 3])
def test_a_use_that_is_changed_or_taken_away_gives_no_more(rig: Rig, number: int) -> None:
    ahead(rig)
    assert not rig.is_asked("db")
    lines = rig.journal.path.read_bytes().splitlines(keepends=True)
    assert b'"mfa.use"' in lines[2]
    rig.journal.path.write_bytes(b"".join([*lines[:2], *lines[number:]]).replace(b"mfa.use", b"x"))
    assert rig.is_asked("db")


def test_a_touch_that_was_replaced_is_not_used_again(rig: Rig) -> None:
    ahead(rig)
    before = rig.said()
    ahead(rig)
    rig.put_back(before, "touched.json")
    assert rig.is_asked("db")


def test_a_journal_that_was_replaced_is_told_of_before_it_is_signed(rig: Rig) -> None:
    ahead(rig)
    rig.journal.path.unlink()
    ahead(rig)
    assert ("audit.broken", "failed") in rig.events()


def test_a_touch_for_one_command_is_none_for_the_next(rig: Rig) -> None:
    """Its proof is in the journal, for everybody to read."""
    ahead(rig)
    rig.gate(POLICY, names=("plain",)).approve()
    told = fields_of(list(lines_of(rig.journal.path))[-1]) or {}
    proof = {key: told["mfa"][key] for key in ("client_data", "authenticator_data", "signature")}
    kept = {"statement": told["mfa"]["statement"], **proof}
    kept["credential"] = encoded(rig.keys.slots[0].credential)
    rig.journal.path.with_name("touched.json").write_text(json.dumps(kept))
    assert rig.is_asked("plain")


def test_two_at_a_time_use_no_more_than_there_is(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for commands that hold different files, each put in the other's place."""
    ahead(rig, uses=1)
    used = TouchLedger.used
    assert not rig.is_asked("db")

    def seen_too_early(ledger: TouchLedger, said: Statement) -> int | None:
        count = used(ledger, said)
        return 0 if count == 1 else count

    monkeypatch.setattr(TouchLedger, "used", seen_too_early)
    assert rig.is_asked("db")


def test_a_touch_that_comes_too_late_is_none(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    real = touch.touch_for

    def slow(*args: Any) -> Any:
        rig.now += timedelta(seconds=61)
        return real(*args)

    monkeypatch.setattr(touch, "touch_for", slow)
    with pytest.raises(TouchDenied, match="later than 60 s"):
        rig.gate(MfaConfig(secrets=("db",), within_s=60)).approve()
    assert rig.events() == [("mfa.approve", "denied")]


def test_it_is_for_what_was_shown_and_while_it_lasts(rig: Rig) -> None:
    ahead(rig)
    asked = rig.device.asked
    rig.gate(POLICY, names=("plain",)).approve()
    assert rig.device.asked == asked + 1
    other = Action(command="secret get", names=("db",))
    Gate(rig.store, rig.journal, POLICY, other, now=lambda: rig.now).approve()
    assert rig.device.asked == asked + 2
    rig.now += timedelta(seconds=301)
    rig.gate(POLICY, names=("db",)).approve()
    assert rig.device.asked == asked + 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"uses": 3', '"uses": 9'),
        ('"within_s": 300', '"within_s": 900'),
        ('"names": ["db", "key"]', '"names": ["db", "key", "plain"]'),
        ("{", ""),
    ],
)
def test_nobody_widens_it(rig: Rig, old: str, new: str) -> None:
    ahead(rig)
    path = rig.journal.path.with_name("touched.json")
    path.write_text(path.read_text().replace(old, new))
    asked = rig.device.asked
    rig.gate(POLICY).approve()
    assert rig.device.asked == asked + 1


def test_what_is_sealed_takes_a_touch_all_the_same(rig: Rig) -> None:
    ahead(rig)
    gate = rig.gate(POLICY)
    gate.approve()
    asked = rig.device.asked
    assert gate.read(ref("db")).reveal() == "value of db"
    assert rig.device.asked == asked + 1
