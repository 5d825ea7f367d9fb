"""`identity.mfa.device`: python-fido2 as it is, driving security keys in software."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from identity.errors import SecurityKeyUnavailable, TouchDenied
from identity.mfa.assertion import ProofRefused, check_proof
from identity.mfa.ceremony import NewCredential, Touch
from tests.fakes.authenticator import Authenticator
from tests.fakes.touches import Ada, candidate, enrolled, keys_of

PIN = "123456"
CHALLENGE = b"c" * 32


def touched(ada: Ada, device: Authenticator, *made: NewCredential) -> Touch:
    return keys_of(ada, device).touch(CHALLENGE, [candidate(item) for item in made])


@pytest.mark.parametrize("pin", ["", PIN])
def test_a_touch_proves_itself_and_gives_the_same_secret_each_time(pin: str) -> None:
    device = Authenticator(pin=pin)
    made = enrolled(device)
    assert made.verified is bool(pin)
    ada = Ada(pin, pin)
    first, second = touched(ada, device, made), touched(ada, device, made)
    assert ada.prompts == 2, "the silent look for the credential prompts nobody"
    assert first.secret == second.secret
    assert len(first.secret) == 32
    counters = [
        check_proof(
            item.proof, challenge=CHALLENGE, public_key=made.public_key, verified=made.verified
        )
        for item in (first, second)
    ]
    assert counters == [2, 3]


def test_salt_and_mode_decide_the_secret() -> None:
    device = Authenticator(pin=PIN)
    with_pin, without = enrolled(device, verified=True), enrolled(device, verified=False)
    keys = keys_of(Ada(PIN, PIN), device)
    secrets = {
        keys.touch(CHALLENGE, [candidate(made, salt)]).secret
        for made in (with_pin, without)
        for salt in (b"a" * 32, b"b" * 32)
    }
    assert len(secrets) == 4


def test_a_key_is_asked_in_the_mode_of_its_own_slot() -> None:
    strict, easy = Authenticator(pin=PIN), Authenticator(pin=PIN)
    slots = (enrolled(strict, verified=True), enrolled(easy, verified=False))
    ada = Ada(PIN)
    assert touched(ada, easy, *slots).credential == slots[1].credential
    assert ada.pins == [PIN], "its PIN was not asked for"
    assert touched(ada, strict, *slots).credential == slots[0].credential


def test_a_proof_in_the_other_mode_is_refused() -> None:
    device = Authenticator(pin=PIN)
    made = enrolled(device, verified=True)
    proof = touched(Ada(PIN), device, made).proof
    with pytest.raises(ProofRefused, match="not pinned to"):
        check_proof(proof, challenge=CHALLENGE, public_key=made.public_key, verified=False)


def test_wrong_pins_lock_the_key() -> None:
    device = Authenticator(pin=PIN)
    made = enrolled(device)
    said: list[str] = []
    for _ in range(12):
        if len(said) % 4 == 3:
            device.replug()
        with pytest.raises((TouchDenied, SecurityKeyUnavailable)) as refused:
            touched(Ada("000000"), device, made)
        said.append(f"{refused.value} / {refused.value.hint}")
    assert said[0] == ("that is not the key's PIN / 7 tries are left until the key locks itself")
    assert "until it is plugged in again" in said[2]
    assert "too many wrong PINs" in said[-1]
    device.replug()
    with pytest.raises(SecurityKeyUnavailable, match="is locked"):
        touched(Ada(PIN), device, made)


@pytest.mark.parametrize(
    ("tries", "wrong", "said"),
    [(0, 0, "is locked: too many wrong PINs"), (8, 3, "until it is plugged in again")],
)
def test_a_key_that_takes_no_pin_says_so_before_one_is_typed(
    tries: int, wrong: int, said: str
) -> None:
    device = Authenticator(pin=PIN)
    made = enrolled(device)
    for _ in range(wrong):
        with pytest.raises((TouchDenied, SecurityKeyUnavailable)):
            touched(Ada("000000"), device, made)
    device.tries = min(device.tries, tries)
    ada = Ada(PIN)
    with pytest.raises(SecurityKeyUnavailable, match=said):
        touched(ada, device, made)
    with pytest.raises(SecurityKeyUnavailable, match=said):
        keys_of(ada, device).enrol(name="ada", verified=True, known=())
    assert ada.pins == [PIN], "it was not asked for"


def test_a_key_that_tells_nothing_of_plugging_is_asked_with_the_pin() -> None:
    device = Authenticator(pin=PIN, tells_of_plugging=False)
    made = enrolled(device)
    for _ in range(3):
        with pytest.raises((TouchDenied, SecurityKeyUnavailable)):
            touched(Ada("000000"), device, made)
    ada = Ada(PIN)
    with pytest.raises(SecurityKeyUnavailable, match="until it is plugged in again"):
        touched(ada, device, made)
    assert ada.pins == []
    device.replug()
    assert touched(Ada(PIN), device, made).secret


def test_no_pin_gives_up() -> None:
    device = Authenticator(pin=PIN)
    made = enrolled(device)
    with pytest.raises(TouchDenied, match="no PIN was typed"):
        touched(Ada(), device, made)
    assert device.tries == 8


def test_without_a_touch_nothing_comes() -> None:
    device = Authenticator()
    made = enrolled(device)
    device.touches = False
    with pytest.raises(TouchDenied, match="not touched in time"):
        touched(Ada(), device, made)


def test_a_key_that_is_taken_out_is_told() -> None:
    device = Authenticator()
    made = enrolled(device)

    def take_out() -> None:
        device.unplugged = True

    device.on_touch = take_out
    for _ in range(2):
        with pytest.raises(SecurityKeyUnavailable, match="went away"):
            touched(Ada(), device, made)


@pytest.mark.parametrize("plugged", [(), (Authenticator(extensions=()),)])
def test_nothing_usable_is_plugged_in(plugged: Sequence[Authenticator]) -> None:
    with pytest.raises(SecurityKeyUnavailable, match=r"no (security key|hmac-secret)"):
        keys_of(Ada(), *plugged).enrol(name="ada", verified=None, known=())


def test_another_key_is_not_taken_and_an_enrolled_one_not_twice() -> None:
    device, other = Authenticator(), Authenticator()
    made = enrolled(device)
    with pytest.raises(TouchDenied, match="not enrolled here"):
        touched(Ada(), other, made)
    with pytest.raises(TouchDenied, match="enrolled already"):
        keys_of(Ada(), device).enrol(name="ada", verified=None, known=[made.credential])


def test_of_several_keys_the_touched_one_is_used() -> None:
    lying, used = Authenticator(touches=False), Authenticator()
    slots = (enrolled(Authenticator()), enrolled(used))
    keys = keys_of(Ada(), lying, used)
    got = keys.touch(CHALLENGE, [candidate(item) for item in slots])
    assert got.credential == slots[1].credential
    used.touches = False
    with pytest.raises(TouchDenied, match="no key was touched in time"):
        keys.touch(CHALLENGE, [candidate(slots[1])], timeout_s=0.2)


def test_a_mode_that_the_key_lacks_is_refused() -> None:
    for device, mode in (
        (Authenticator(), True),
        (Authenticator(pin=PIN, always_verifies=True), False),
    ):
        with pytest.raises(SecurityKeyUnavailable, match="verif"):
            enrolled(device, verified=mode)


def test_an_answer_that_is_none() -> None:
    class Noise(Authenticator):
        def call(self, *_args: object, **_more: object) -> bytes:
            return b"\x00\xa1\x01"

    with pytest.raises(SecurityKeyUnavailable, match="answer that is none"):
        keys_of(Ada(), Noise()).enrol(name="ada", verified=None, known=())
