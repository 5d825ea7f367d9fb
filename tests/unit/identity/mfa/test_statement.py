"""`identity.mfa.statement`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identity.mfa.assertion import ProofRefused
from identity.mfa.statement import Statement, command_digest, statement_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SAID = Statement(
    action="secret.inject",
    project="acme",
    names=("db", "key"),
    program="node",
    command=command_digest(["node", "server.js"]),
    nonce="00" * 16,
    at=AT.isoformat(),
    within_s=60,
)


def test_the_challenge_is_the_hash_of_canonical_json() -> None:
    text = (
        '{"action":"secret.inject","at":"2026-03-01T12:00:00+00:00","command":"'
        + SAID.command
        + '","format":"devwiz-gw/approval/1","names":["db","key"],"nonce":"'
        + "00" * 16
        + '","program":"node","project":"acme","uses":1,"within_s":60}'
    )
    assert SAID.challenge() == hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"action": "secret.read"},
        {"project": "other"},
        {"names": ("db",)},
        {"names": ("dbkey",)},
        {"program": "sh"},
        {"command": command_digest(["node server.js"])},
        {"nonce": "01" * 16},
        {"at": (AT + timedelta(seconds=1)).isoformat()},
        {"within_s": 61},
        {"uses": 2},
    ],
)
def test_each_part_is_signed(change: dict[str, Any]) -> None:
    assert replace(SAID, **change).challenge() != SAID.challenge()


def test_a_statement_survives_the_journal() -> None:
    assert statement_of(json.loads(json.dumps(SAID.fields()))) == SAID


@pytest.mark.parametrize(
    "change",
    [
        {"names": "db"},
        {"names": [1]},
        {"names": [str(number) for number in range(65)]},
        {"within_s": True},
        {"uses": "1"},
        {"nonce": None},
        {"format": "devwiz-gw/approval/2"},
        {"more": 1},
        {"at": "yesterday"},
        {"at": "2026-03-01T12:00:00"},
    ],
)
def test_what_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ProofRefused):
        statement_of({**SAID.fields(), **change})


def test_it_ends() -> None:
    for after_s, good in ((-1, False), (0, True), (60, True), (61, False)):
        assert SAID.is_in_time(AT + timedelta(seconds=after_s)) is good
