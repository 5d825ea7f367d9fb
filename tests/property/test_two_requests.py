"""No input of a client makes its bytes part of a request that isn't its own, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.vectors import EVERY_VECTOR, Vector
from tests.fakes.canary import check_requests
from tests.fakes.request_reader import read_requests
from tests.fakes.two_requests import CANARY
from tests.fuzz.test_targets import edits
from tests.property.cuts import byte_by_byte, cut
from tests.property.effort import effort

SERVED = [vector for vector in EVERY_VECTOR if vector.ours == "accept"]


@pytest.mark.parametrize("vector", EVERY_VECTOR, ids=lambda vector: vector.name)
def test_every_vector_whole_and_byte_by_byte(vector: Vector) -> None:
    stream = vector.data + CANARY
    verdict = read_requests(stream).verdict
    assert verdict == vector.ours or (vector.ours == "wait" and verdict.startswith("bad_"))
    check_requests([stream])
    check_requests(byte_by_byte(stream))


@given(data=st.data(), vectors=st.lists(st.sampled_from(SERVED), min_size=1, max_size=4))
@effort(100)
def test_requests_behind_each_other_however_they_are_cut(
    data: st.DataObject, vectors: list[Vector]
) -> None:
    stream = b"".join(vector.data for vector in vectors) + CANARY
    check_requests(data.draw(cut(stream)))


@given(data=st.data())
@effort(150)
def test_every_edit_of_two_vectors_however_it_is_cut(data: st.DataObject) -> None:
    first, second = (data.draw(st.sampled_from(EVERY_VECTOR)).data for _ in range(2))
    for edit in data.draw(edits):
        first = edit.apply(first)
    check_requests(data.draw(cut(first + second + CANARY)))
