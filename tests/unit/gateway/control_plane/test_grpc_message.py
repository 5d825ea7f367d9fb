"""gRPC's frames and texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control_plane.grpc_message import (
    CallFailed,
    Code,
    framed,
    is_grpc,
    percent_encoded,
    take_message,
    timeout_s,
)


@given(st.binary(max_size=100), st.integers(0, 200))
def test_a_message_is_there_when_it_is_whole(message: bytes, cut: int) -> None:
    data = framed(message)
    taken = take_message(bytearray(data[:cut]), encoding="", most_bytes=100)
    assert taken == (message if cut >= len(data) else None)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\1\0\0\0\0", Code.UNIMPLEMENTED),
        (b"\2\0\0\0\0", Code.INTERNAL),
        (b"\0\0\0\0\x65", Code.RESOURCE_EXHAUSTED),
        (b"\0\xff\xff\xff\xff", Code.RESOURCE_EXHAUSTED),
        (framed(b"a") + b"\0", Code.INTERNAL),
    ],
)
def test_what_is_no_single_plain_message_is_refused(data: bytes, code: Code) -> None:
    with pytest.raises(CallFailed) as caught:
        take_message(bytearray(data), encoding="gzip", most_bytes=100)
    assert caught.value.code is code


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_a_compressed_message_without_an_encoding_is_an_error(encoding: str) -> None:
    with pytest.raises(CallFailed) as caught:
        take_message(bytearray(b"\1\0\0\0\0"), encoding=encoding, most_bytes=100)
    assert caught.value.code is Code.INTERNAL


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("Application/gRPC;charset=utf-8", True),
        ("application/grpc ; a=b", True),
        ("application/grpc-web", False),
        ("application/grpc-web+proto", False),
        ("application/grpcx", False),
        ("text/application/grpc", False),
        ("", False),
    ],
)
def test_the_content_type_of_grpc(content_type: str, found: bool) -> None:
    assert is_grpc(content_type) is found


def test_messages_of_a_status_are_ascii() -> None:
    assert percent_encoded("no identity is for uid:7 exe:/ü %\n") == (
        "no identity is for uid:7 exe:/%C3%BC %25%0A"
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("1H", 3600.0), ("2M", 120.0), ("3S", 3.0), ("4m", 0.004), ("99999999n", 0.1)],
)
def test_the_callers_deadline(text: str, seconds: float | None) -> None:
    assert timeout_s(text) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("text", ["1", "S", "-1S", "1.5S", "123456789S", "1s", "1 S", "1S1S"])
def test_a_deadline_in_another_form_is_an_error(text: str) -> None:
    with pytest.raises(CallFailed):
        timeout_s(text)
