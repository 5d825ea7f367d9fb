"""How what was begun is told to have ended, where it ended badly."""

from __future__ import annotations

import asyncio

import pytest

from gateway.audit.ending import ending_of
from identity.errors import ProjectElsewhere, SecretNotFound, StateElsewhere, TouchDenied


@pytest.mark.parametrize(
    ("error", "outcome", "why"),
    [
        (SecretNotFound("there is no secret acme/a"), "failed", "there is no secret acme/a"),
        (ProjectElsewhere("acme belongs to another file"), "denied", "acme belongs to another"),
        (StateElsewhere("it is recorded elsewhere"), "denied", "it is recorded elsewhere"),
        (TouchDenied("nobody touched"), "denied", "nobody touched"),
        (OSError(28, "canary"), "failed", "no space left on device"),
        (KeyboardInterrupt(), "failed", "it was stopped before its end"),
        (asyncio.CancelledError(), "failed", "it was stopped before its end"),
        (ValueError("canary"), "failed", "a defect of this program (ValueError)"),
        (OSError("canary"), "failed", "a defect of this program (OSError)"),
    ],
)
def test_a_bad_end_is_told_in_plain_words(error: BaseException, outcome: str, why: str) -> None:
    told = ending_of(error)
    assert told[0] == outcome
    assert told[1].startswith(why)
    assert "canary" not in told[1]
