"""No input of an upstream reaches a client that didn't ask for it, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.vectors import RESPONSES, ResponseVector
from tests.fakes.canary import (
    CUT,
    OPEN,
    REFUSED,
    WHOLE,
    check_responses,
    exchange,
    what_came,
    without_interim,
)
from tests.fakes.h11_reader import read_response
from tests.fakes.relay import Relay
from tests.fuzz.test_targets import edits
from tests.property.cuts import byte_by_byte, cut
from tests.property.effort import effort

VERDICTS = {
    "kept": {(WHOLE, True)},
    "ended": {(WHOLE, False)},
    "open": {(OPEN, False)},
    "refused": {(REFUSED, False)},
    "cut": {(REFUSED, False), (CUT, False)},
}
PASSED_ON = [vector for vector in RESPONSES if vector.ours in {"kept", "ended"}]


@pytest.mark.parametrize("vector", RESPONSES, ids=lambda vector: vector.what)
def test_every_vector_whole_and_byte_by_byte(vector: ResponseVector) -> None:
    assert check_responses(vector.method, [vector.data]) in VERDICTS[vector.ours]
    assert check_responses(vector.method, byte_by_byte(vector.data)) in VERDICTS[vector.ours]


@pytest.mark.parametrize("vector", PASSED_ON, ids=lambda vector: vector.what)
def test_what_is_passed_on_is_what_h11_reads(vector: ResponseVector) -> None:
    final = without_interim(vector.data)
    theirs = read_response(final, method=vector.method, closed=True)
    with Relay(answers=False) as relay:
        client = relay.connect()
        exchange(relay, client, b"%b / HTTP/1.1\r\nHost: h\r\n\r\n" % vector.method, vector.data)
        how, ours = what_came(client.take(), vector.method, client.ended)
    assert how == WHOLE
    assert ours is not None
    assert (ours.start, ours.body, ours.rest) == (theirs.start, theirs.body, b"")


@given(
    data=st.data(),
    vectors=st.lists(st.sampled_from(RESPONSES), min_size=1, max_size=3),
    method=st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS"]),
)
@effort(200)
def test_every_edit_of_responses_however_it_is_cut(
    data: st.DataObject, vectors: list[ResponseVector], method: bytes
) -> None:
    stream = b"".join(vector.data for vector in vectors)
    for edit in data.draw(edits):
        stream = edit.apply(stream)
    check_responses(method, data.draw(cut(stream)) if stream else [])
