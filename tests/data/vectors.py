"""Requests and responses with a verdict, kept as data beside this module; each file names its
source, or is our own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One byte stream.

    Attributes:
        like: the case of the source that holds the same fact; of our own the part of the message.
        theirs: the source's verdict; of our own "valid" or "invalid".
        ours: "accept", "wait" (the message isn't complete) or the reason of our refusal.
    """

    like: str
    what: str
    theirs: str
    ours: str
    data: bytes

    @property
    def name(self) -> str:
        """Names it in a test report."""
        return f"{self.like} ({self.what})"


def load(source: str) -> tuple[Vector, ...]:
    """The vectors of `requests_<source>.json`."""
    content = json.loads((_FOLDER / f"requests_{source}.json").read_text(encoding="ascii"))
    return tuple(
        Vector(
            like=item["like"],
            what=item["what"],
            theirs=item["theirs"],
            ours=item["ours"],
            data=item["bytes"].encode("latin-1"),
        )
        for item in content["vectors"]
    )


GUNICORN = load("gunicorn")
HTTP_DESYNC_GUARDIAN = load("http_desync_guardian")
LLHTTP = load("llhttp")
OWN = load("own")
EVERY_VECTOR = GUNICORN + HTTP_DESYNC_GUARDIAN + LLHTTP + OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseVector:
    """What an upstream sends for a `method` request; `ours` is a verdict that the file explains."""

    what: str
    method: bytes
    ours: str
    data: bytes


def _load_responses() -> tuple[ResponseVector, ...]:
    content = json.loads((_FOLDER / "responses.json").read_text(encoding="ascii"))
    return tuple(
        ResponseVector(
            what=item["what"],
            method=item["method"].encode(),
            ours=item["ours"],
            data=item["bytes"].encode("latin-1"),
        )
        for item in content["vectors"]
    )


RESPONSES = _load_responses()
