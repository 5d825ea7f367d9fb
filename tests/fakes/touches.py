"""A person at a security key in software, and what its touches prove."""

from __future__ import annotations

import itertools
from pathlib import Path

from identity.mfa.assertion import Proof
from identity.mfa.ceremony import Candidate, Ceremony, NewCredential
from identity.mfa.device import SecurityKeys
from identity.mfa.prompts import PromptFile
from identity.secret_stores.base import Secret
from tests.fakes.authenticator import Authenticator


class Ada:
    """Touches when asked, and types one PIN after the other."""

    def __init__(self, *pins: str) -> None:
        self.pins = list(pins)
        self.prompts = 0

    def touch(self) -> None:
        self.prompts += 1

    def pin(self) -> Secret:
        return Secret(self.pins.pop(0) if self.pins else "")


def keys_of(ada: Ada, *devices: Authenticator) -> SecurityKeys:
    """Python-fido2 with these plugged in."""
    return SecurityKeys(ada, lambda: devices)


def enrolled(device: Authenticator, *, verified: bool | None = None) -> NewCredential:
    """A credential on `device`."""
    return keys_of(Ada(device.pin), device).enrol(name="ada", verified=verified, known=())


def candidate(made: NewCredential, salt: bytes = b"s" * 32) -> Candidate:
    """It, to be asked."""
    return Candidate(made.credential, made.public_key, made.verified, salt)


def proof_by(device: Authenticator, made: NewCredential, challenge: bytes) -> Proof:
    """What `device` signs for a challenge."""
    return keys_of(Ada(device.pin), device).touch(challenge, [candidate(made)]).proof


def ceremony_of(folder: Path, ada: Ada, *devices: Authenticator) -> Ceremony:
    """Touches that are counted in `folder`, by a clock on which much time passes."""
    clock = itertools.count(1_000_000.0, 1000.0).__next__
    return Ceremony(keys_of(ada, *devices), PromptFile(folder / "touches.json", clock))
