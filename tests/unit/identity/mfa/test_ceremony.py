"""`identity.mfa.ceremony`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from identity.errors import TouchDenied
from tests.fakes.authenticator import Authenticator
from tests.fakes.touches import Ada, candidate, ceremony_of, enrolled, keys_of

CHALLENGE = b"c" * 32


def test_a_copied_key_is_found_out(tmp_path: Path) -> None:
    device = Authenticator()
    made = enrolled(device)
    copy = device.clone()
    for key in (device, device):
        ceremony_of(tmp_path, Ada(), key).touch(CHALLENGE, [candidate(made)])
    with pytest.raises(TouchDenied, match="may be a copy"):
        ceremony_of(tmp_path, Ada(), copy).touch(CHALLENGE, [candidate(made)])


def test_a_mode_that_was_edited_is_refused(tmp_path: Path) -> None:
    device = Authenticator(pin="1234", always_verifies=True)
    made = enrolled(device)
    edited = replace(candidate(made), verified=False)
    with pytest.raises(TouchDenied, match="proves nothing: the key verified the person"):
        ceremony_of(tmp_path, Ada("1234"), device).touch(CHALLENGE, [edited])


def test_a_public_key_that_was_edited_is_refused(tmp_path: Path) -> None:
    device = Authenticator()
    edited = replace(candidate(enrolled(device)), public_key=enrolled(device).public_key)
    with pytest.raises(TouchDenied, match="not the key's"):
        ceremony_of(tmp_path, Ada(), device).touch(CHALLENGE, [edited])


def test_an_answer_of_another_credential_is_refused(tmp_path: Path) -> None:
    device = Authenticator()
    asked, other = enrolled(device), enrolled(device)

    class Swapping:
        enrol = keys_of(Ada(), device).enrol

        def touch(self, challenge: bytes, _candidates: object) -> object:
            return keys_of(Ada(), device).touch(challenge, [candidate(other)])

    ceremony = ceremony_of(tmp_path, Ada(), device)
    ceremony._keys = Swapping()  # type: ignore[assignment]
    with pytest.raises(TouchDenied, match="another security key"):
        ceremony.touch(CHALLENGE, [candidate(asked)])


def test_unanswered_prompts_are_counted(tmp_path: Path) -> None:
    device = Authenticator()
    made = ceremony_of(tmp_path, Ada(), device).enrol(name="ada", verified=None, known=())
    device.touches = False
    ceremony = ceremony_of(tmp_path, Ada(), device)
    ceremony._prompts._clock = lambda: 2_000_000.0
    for _ in range(3):
        with pytest.raises(TouchDenied, match="not touched"):
            ceremony.touch(CHALLENGE, [candidate(made)])
    asked = device.asked
    with pytest.raises(TouchDenied, match="too often"):
        ceremony.touch(CHALLENGE, [candidate(made)])
    assert device.asked == asked
