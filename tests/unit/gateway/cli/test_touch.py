"""`gateway.cli.touch`: the gate, over a vault and a security key in software."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.audit.event import Event, fields_of
from gateway.audit.files import lines_of
from gateway.audit.journal import Journal
from gateway.audit.verify import Expected, verify
from gateway.cli import touch
from gateway.cli.touch import Action, Gate
from gateway.config.mfa_policy import MfaConfig
from identity.errors import SecretDamaged, TouchDenied
from identity.mfa.assertion import encoded
from identity.mfa.enrolled import EnrolledKeys, KeySlot, Lock, encode, keys_ref
from identity.mfa.sealed import seal
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


class Rig:
    """Two sealed secrets, one plain, and an enrolled key with a recovery code."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.device = Authenticator()
        self.journal = Journal(folder / "audit.jsonl", project="acme")
        self.now = AT
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
        return [(line["action"], line["outcome"]) for line in lines]


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
    lines = [("audit.jsonl", list(lines_of(rig.journal.path)))]
    known = frozenset((encoded(rig.keys.slots[0].public_key),))
    verdict = verify(lines, Expected(touch_keys=known))
    assert (verdict.problems, verdict.touches) == ([], 2)
    rig.journal.write(
        Event(
            action="mfa.use",
            outcome="ok",
            more={"approval": fields_of(lines[0][1][1])["approval"], "uses": 1},  # type: ignore[index]
        )
    )
    lines = [("audit.jsonl", list(lines_of(rig.journal.path)))]
    (problem,) = verify(lines, Expected(touch_keys=known)).problems
    assert "more often than was approved" in problem.what


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
        ('"used": 0', '"used": -9'),
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
