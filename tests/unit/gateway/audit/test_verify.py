"""`gateway.audit.verify`: every change that a hand can make is found."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.checkpoint import KeySigner, checkpoint
from gateway.audit.event import Actor, Event, Place, line_of
from gateway.audit.verify import Expected, Verdict, verify

AT = datetime(2026, 1, 2, tzinfo=UTC)
SIGNER = KeySigner(Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = KeySigner(Ed25519PrivateKey.from_private_bytes(bytes(31) + b"1"))
OURS = Expected(keys=frozenset([SIGNER.public_key]))
MIDDLE = 6


def grown(count: int, *, signed: tuple[int, ...] = (), signer: KeySigner = SIGNER) -> list[bytes]:
    """A chain of so many lines, of which some are checkpoints."""
    lines: list[bytes] = []
    place = Place()
    for number in range(1, count + 1):
        event = Event(action="x", outcome="denied", name=str(number))
        if number in signed:
            event = checkpoint(signer, project="acme", place=place, signed_at="t")
        line = line_of(event, place=place, at=AT, project="acme", actor=Actor(uid=0))
        lines.append(line)
        place = place.after(line)
    return lines


def walk(lines: list[bytes], expected: Expected = OURS) -> Verdict:
    return verify([("audit.jsonl", lines)], expected)


WHOLE = grown(12, signed=(5, 11))


def test_a_whole_journal_is_whole() -> None:
    found = walk(WHOLE)
    assert found.whole
    assert (found.events, found.first, found.last.seq, found.signed) == (12, 1, 12, 10)
    assert found.keys == [SIGNER.public_key]


def test_an_empty_journal_is_whole() -> None:
    assert walk([]).whole


@given(st.integers(0, 10), st.data())
def test_a_changed_byte_is_found(number: int, data: st.DataObject) -> None:
    line = WHOLE[number]
    place = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(1, 255))
    changed = line[:place] + bytes([line[place] ^ byte]) + line[place + 1 :]
    assert not walk([*WHOLE[:number], changed, *WHOLE[number + 1 :]]).whole


@pytest.mark.parametrize("number", range(11))
def test_a_removed_line_is_found(number: int) -> None:
    found = walk([*WHOLE[:number], *WHOLE[number + 1 :]])
    assert not found.whole


@pytest.mark.parametrize("number", range(1, 11))
def test_swapped_and_repeated_lines_are_found(number: int) -> None:
    swapped = [*WHOLE]
    swapped[number - 1], swapped[number] = swapped[number], swapped[number - 1]
    assert not walk(swapped).whole
    assert not walk([*WHOLE[:number], WHOLE[number - 1], *WHOLE[number:]]).whole


def test_a_chain_made_anew_is_found_by_its_key() -> None:
    forged = grown(12, signed=(5, 11), signer=OTHER)
    assert walk(forged, Expected()).whole  # the chain alone can't tell
    found = walk(forged)
    assert [problem.what for problem in found.problems] == [
        "a checkpoint that another key signed"
    ] * 2
    assert found.signed == 0
    unsigned = grown(12)
    assert walk(unsigned).signed == 0


def test_a_second_key_in_one_journal_is_found_without_knowing_the_first() -> None:
    mixed = grown(5, signed=(5,))
    place = Place().after(mixed[-1])
    line = line_of(
        checkpoint(OTHER, project="acme", place=place, signed_at="t"),
        place=place, at=AT, project="acme", actor=Actor(uid=0),
    )  # fmt: skip
    assert "another key" in walk([*mixed, line], Expected()).problems[0].what


def test_an_end_that_is_gone_is_found_by_how_far_was_signed() -> None:
    reached = Place().after(WHOLE[9])
    known = Expected(keys=OURS.keys, reached=reached)
    assert walk(WHOLE, known).whole
    assert "the end is gone" in walk(WHOLE[:9], known).problems[0].what
    other = grown(12, signed=(5, 11))
    assert walk(other, known).whole
    changed = Expected(keys=OURS.keys, reached=Place(10, "f" * 64))
    assert not walk(WHOLE, changed).whole
    assert not walk([], known).whole


def test_a_checkpoint_of_elsewhere_is_found() -> None:
    fields = json.loads(WHOLE[4])
    place = Place().after(WHOLE[5])
    for change in (
        {"checkpoint": fields["checkpoint"]},
        {"checkpoint": fields["checkpoint"] | {"size": 6, "head": place.head}},
        {"checkpoint": None},
        {"checkpoint": fields["checkpoint"] | {"size": True}},
        {"checkpoint": {"size": 6, "head": place.head, "key": "no key", "signature": "no"}},
    ):
        event = Event(action="audit.checkpoint", outcome="ok", more=change)
        line = line_of(event, place=place, at=AT, project="acme", actor=Actor(uid=0))
        assert "a checkpoint" in walk([*WHOLE[:6], line]).problems[0].what


def test_a_checkpoint_of_another_project_is_found() -> None:
    place = Place().after(WHOLE[0])
    event = checkpoint(SIGNER, project="other", place=place, signed_at="t")
    line = line_of(event, place=place, at=AT, project="acme", actor=Actor(uid=0))
    assert "not good" in walk([WHOLE[0], line]).problems[0].what


def test_a_torn_line_is_counted_and_the_chain_goes_on_over_it() -> None:
    lines = grown(3)
    torn = b'{"seq":4,"ti'
    place = Place(3, Place().after(torn).head)
    event = Event(action="x", outcome="ok")
    after = line_of(event, place=place, at=AT, project="acme", actor=Actor(uid=0))
    found = walk([*lines, torn, after])
    assert (found.whole, found.torn, found.events, found.last.seq) == (True, 1, 4, 4)
    assert not walk([*lines, b"{}", after]).whole
    assert not walk([torn]).whole


def test_an_older_part_may_be_gone_if_a_line_tells_so() -> None:
    lines = grown(8)
    place = Place().after(lines[-1])
    gone = Place().after(lines[MIDDLE - 1])
    for through, head, whole in (
        (gone.seq, gone.head, True),
        (gone.seq - 1, gone.head, False),
        (gone.seq, "0" * 64, False),
        ("6", gone.head, False),
    ):
        event = Event(
            action="audit.pruned", outcome="ok", more={"pruned": {"through": through, "head": head}}
        )
        line = line_of(event, place=place, at=AT, project="acme", actor=Actor(uid=0))
        assert walk([*lines[MIDDLE:], line]).whole is whole
        assert walk([*lines, line]).whole


def test_a_chain_begun_behind_what_was_signed_is_found() -> None:
    reached = Place().after(WHOLE[9])
    known = Expected(keys=OURS.keys, reached=reached)

    def left(start: list[bytes], place: Place, signers: tuple[KeySigner, ...]) -> list[bytes]:
        """Lines after a place, of which one tells that those before were removed."""
        told = {"through": reached.seq, "head": reached.head}
        events = [
            Event(action="audit.pruned", outcome="ok", more={"pruned": told}),
            Event(action="x", outcome="ok"),
        ]
        lines = [*start]
        for line in start:
            place = place.after(line)
        for event in events:
            lines.append(line_of(event, place=place, at=AT, project="acme", actor=Actor(uid=0)))
            place = place.after(lines[-1])
        for signer in signers:
            event = checkpoint(signer, project="acme", place=place, signed_at="t")
            lines.append(line_of(event, place=place, at=AT, project="acme", actor=Actor(uid=0)))
            place = place.after(lines[-1])
        return lines

    assert "the end is gone" in walk(left([], reached, ()), known).problems[0].what
    assert "the end is gone" in walk(left([WHOLE[10]], reached, ()), known).problems[0].what
    assert not walk(left([], reached, (OTHER,)), known).whole
    assert walk(left([], reached, (SIGNER,)), known).whole


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_anything_at_all_is_judged(lines: list[bytes]) -> None:
    found = walk(lines)
    assert found.whole is (lines == [])
