"""A touch from asking to proof: one prompt at a time, checked before anybody relies on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from identity.errors import TouchDenied
from identity.mfa.assertion import Proof, ProofRefused, check_proof
from identity.mfa.prompts import PromptFile


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential that a key has just made. `verified` is the mode that it is to be used in."""

    credential: bytes
    public_key: bytes
    verified: bool
    aaguid: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A credential that may answer: its public key, the mode that it is pinned to, its salt."""

    credential: bytes
    public_key: bytes
    verified: bool
    salt: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Touch:
    """A key was touched: which credential it used, what it signed, and its PRF output."""

    credential: bytes
    proof: Proof
    secret: bytes


class Keys(Protocol):
    """The security keys at hand, as `identity.mfa.device.SecurityKeys` has them."""

    def enrol(self, *, name: str, verified: bool | None, known: Sequence[bytes]) -> NewCredential:
        """Make a credential on a key that has none of the `known` ones."""
        ...

    def touch(self, challenge: bytes, candidates: Sequence[Candidate]) -> Touch:
        """Have `challenge` signed by the key of one of the candidates."""
        ...


class Ceremony:
    """Asks for touches, no more often than `prompts` allows.

    Both methods raise `SecurityKeyUnavailable` or `TouchDenied`, and block until one way or the
    other is sure.
    """

    def __init__(self, keys: Keys, prompts: PromptFile) -> None:
        self._keys = keys
        self._prompts = prompts

    def enrol(self, *, name: str, verified: bool | None, known: Sequence[bytes]) -> NewCredential:
        """A new credential. `verified` of None takes the stricter mode that the key can."""
        with self._prompts.prompt() as answered:
            made = self._keys.enrol(name=name, verified=verified, known=known)
            answered(made.credential, 0)
        return made

    def touch(self, challenge: bytes, candidates: Sequence[Candidate]) -> Touch:
        """A touch that is proven: the right key, for this challenge, in its pinned mode, and not a
        copy that counts on its own.
        """
        with self._prompts.prompt() as answered:
            touch = self._keys.touch(challenge, candidates)
            used = next((one for one in candidates if one.credential == touch.credential), None)
            if used is None:
                raise TouchDenied("another security key answered than was asked")
            try:
                counter = check_proof(
                    touch.proof,
                    challenge=challenge,
                    public_key=used.public_key,
                    verified=used.verified,
                )
            except ProofRefused as refused:
                raise TouchDenied(f"the touch proves nothing: {refused}") from None
            answered(touch.credential, counter)
        return touch
