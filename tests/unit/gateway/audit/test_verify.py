"""`gateway.audit.verify`: every change that a hand can make is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.checkpoint import KeySigner, checkpoint
from gateway.audit.event import Actor, Event, Place, digest, fields_of, line_of, torn
from gateway.audit.verify import Expected, Problem, Verdict, verify
from gateway.audit.vouched import Removal, acknowledged, pruned

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
    cut = b'{"seq":4,"ti'
    place = Place(3, Place().after(cut).head)
    event = torn(digest(lines[-1]))
    after = line_of(event, place=place, at=AT, project="acme", actor=Actor(uid=0))
    found = walk([*lines, cut, after])
    assert (found.whole, found.torn, found.events, found.last.seq) == (True, 1, 4, 4)
    assert not walk([*lines, b"{}", after]).whole
    assert not walk([cut]).whole


GONE = Place(MIDDLE, digest(WHOLE[MIDDLE - 1]))


def with_event(lines: list[bytes], make: Callable[[Place], Event]) -> list[bytes]:
    """The lines, and one more."""
    place = Place().after(lines[-1])
    line = line_of(make(place), place=place, at=AT, project="acme", actor=Actor(uid=0))
    return [*lines, line]


def removal(place: Place, through: Place = GONE, signer: KeySigner | None = SIGNER) -> Event:
    told = Removal("audit-000000000001.jsonl", through, 1)
    return pruned(told, signer, project="acme", place=place, at="t")


def signature(place: Place) -> Event:
    return checkpoint(SIGNER, project="acme", place=place, signed_at="t")


@pytest.mark.parametrize(
    ("through", "signer", "is_whole"),
    [
        (GONE, SIGNER, True),
        (GONE, OTHER, False),
        (GONE, None, False),
        (Place(GONE.seq - 1, GONE.head), SIGNER, False),
        (Place(GONE.seq, "0" * 64), SIGNER, False),
    ],
)
def test_an_older_part_may_be_gone_if_the_key_says_so(
    through: Place, signer: KeySigner | None, *, is_whole: bool
) -> None:
    told = with_event(WHOLE, lambda place: removal(place, through, signer))
    assert walk(told[MIDDLE:]).whole is is_whole
    assert walk(told).whole is (signer is SIGNER)
    # That a checkpoint comes behind it makes it no better.
    signed = with_event(told, signature)
    assert walk(signed[MIDDLE:]).whole is is_whole


def test_a_removal_vouches_for_the_lines_before_it() -> None:
    assert walk(with_event(WHOLE, removal)[MIDDLE:]).signed == len(WHOLE)


def test_a_removal_of_elsewhere_is_found() -> None:
    line = fields_of(with_event(WHOLE, removal)[-1])
    assert line is not None
    for change in (
        {"vouched": line["vouched"]},
        {"vouched": line["vouched"], "pruned": line["pruned"] | {"keep_files": 9}},
        {"vouched": line["vouched"], "pruned": None},
        {"vouched": line["vouched"] | {"size": True}},
        {"vouched": 3},
        {"vouched": line["vouched"] | {"key": "no key"}},
    ):
        more = {"pruned": line["pruned"]} | change
        event = partial(_always, Event(action="audit.pruned", outcome="ok", more=more))
        longer = with_event(WHOLE, partial(_always, Event(action="x", outcome="ok")))
        assert "a removal of old lines, and" in walk(with_event(longer, event)).problems[0].what
        assert walk(with_event(WHOLE, event)).whole is (change == {"vouched": line["vouched"]})


def _always(event: Event, _place: Place) -> Event:
    return event


def test_where_nothing_is_signed_a_removal_isn_t_either() -> None:
    told = with_event(grown(8), lambda place: removal(place, Place().after(grown(8)[5]), None))
    assert walk(told[6:], Expected()).whole
    assert not walk(told[6:]).whole
    assert not walk(told[5:], Expected()).whole
    assert not walk(with_event(told, signature)[6:], Expected()).whole


def test_what_was_signed_last_is_never_removed() -> None:
    """Nobody can begin a chain behind it, by an old removal or one of his own."""
    reached = Place().after(WHOLE[9])
    known = Expected(keys=OURS.keys, reached=reached)
    told = with_event(WHOLE, lambda place: removal(place, reached, SIGNER))
    assert walk(told, known).whole
    assert "the end is gone" in walk(told[10:], known).problems[-1].what


# -- acknowledged ----------------------------------------------------------------------------------

BREAK = [*WHOLE[:7], *WHOLE[8:]]


def known(lines: list[bytes], problem: Problem, signer: KeySigner = SIGNER) -> list[bytes]:
    """The lines, and a person's word on a finding."""

    def make(place: Place) -> Event:
        told = problem.fields() | {"reason": "restored", "by": "ada"}
        return acknowledged(told, signer, project="acme", place=place, at="t")

    return with_event(lines, make)


def test_a_finding_that_a_person_knows_of_is_none() -> None:
    (problem,) = walk(BREAK).problems
    told = known(BREAK, problem)
    found = walk(told)
    (item,) = found.acknowledged
    assert (found.whole, found.signed) == (True, len(WHOLE))
    assert (item.line, item.what, item.reason) == (8, problem.what, "restored")
    assert (item.who, item.at) == ("ada", "t"), "what is signed, not what stands beside"
    assert walk(with_event(told, signature)).whole


def test_the_end_that_is_gone_can_be_acknowledged() -> None:
    gone = Expected(keys=OURS.keys, reached=Place(40, "f" * 64))
    (problem,) = walk(WHOLE, gone).problems
    told = known(WHOLE, problem)
    assert walk(told, gone).whole
    assert not walk(told, Expected(keys=OURS.keys, reached=Place(41, "f" * 64))).whole


def test_an_older_part_that_is_gone_can_be_acknowledged() -> None:
    (problem,) = walk(WHOLE[MIDDLE:]).problems
    told = known(WHOLE[MIDDLE:], problem)
    assert walk(told).whole
    assert not walk(told[1:]).whole


@pytest.mark.parametrize("signer", [OTHER, None])
def test_nobody_else_acknowledges(signer: KeySigner | None) -> None:
    (problem,) = walk(BREAK).problems
    told = known(BREAK, problem, signer or SIGNER)
    if signer is None:
        told[-1] = told[-1].replace(b"restored", b"resolved")
    assert not walk(told).whole
    assert walk(with_event(told, signature)).acknowledged == []


@given(st.integers(0, 9), st.integers(1, 255))
def test_no_new_finding_hides_behind_one_that_is_known(number: int, byte: int) -> None:
    """Also not a change of what lies before the break, with a chain that fits up to it."""
    (problem,) = walk(BREAK).problems
    told = known(BREAK, problem)
    for changed in (
        [*told[:number], *told[number + 1 :]],
        [*told[:number], told[number][:9] + bytes([told[number][9] ^ byte]), *told[number + 1 :]],
        [*rechained(told[:7], number % 7), *told[7:]],
    ):
        assert not walk(changed).whole


def rechained(lines: list[bytes], number: int) -> list[bytes]:
    """The lines with another one at `number`, and a chain that fits."""
    made: list[bytes] = []
    place = Place()
    for index, line in enumerate(lines):
        fields = json.loads(line) | {"prev": place.head}
        if index == number:
            fields["outcome"] = "forged"
        made.append(json.dumps(fields, separators=(",", ":")).encode())
        place = place.after(made[-1])
    return made


def test_a_change_before_a_torn_line_is_found() -> None:
    """What a torn line follows is in the line behind it."""
    lines = grown(3)
    torn_line = b'{"seq":4,"ti'
    place = Place(3, digest(torn_line))
    for behind, whole in ((digest(lines[-1]), True), (digest(lines[0]), False)):
        line = line_of(torn(behind), place=place, at=AT, project="acme", actor=Actor(uid=0))
        assert walk([*lines, torn_line, line]).whole is whole
        signed = with_event([*lines, torn_line, line], signature)
        assert walk(signed).whole is whole
        assert not walk([*rechained(lines, 1), torn_line, *signed[4:]]).whole


def test_old_lines_may_be_gone_up_to_a_torn_one() -> None:
    torn_line = b'{"seq":13,"ti'
    place = Place(12, digest(torn_line))
    behind = torn(digest(WHOLE[-1]))
    line = line_of(behind, place=place, at=AT, project="acme", actor=Actor(uid=0))
    through = Place(12, digest(WHOLE[-1]))
    told = with_event([torn_line, line], lambda place: removal(place, through))
    assert walk(told).whole
    assert walk([*WHOLE, *told]).whole
    assert not walk(told[:-1]).whole


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_anything_at_all_is_judged(lines: list[bytes]) -> None:
    found = walk(lines)
    assert found.whole is (lines == [])
