"""What is learned from responses, and where requests are sent by it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.data_plane.affinity import Affinity
from gateway.data_plane.wire.request import RequestHead, parse_request_head
from gateway.data_plane.wire.response import ResponseHead, parse_response_head
from gateway.ipc.sessions import Sessions
from tests.fakes.routes import header_rules

A, B = ("192.0.2.1", 443), ("192.0.2.2", 443)
NOW = 1000.0


class Rig:
    """The affinity of one route, and what it told."""

    def __init__(self, sessions: Sessions | None = None, route: str = "planner") -> None:
        self.told: list[dict[str, Any]] = []
        self.sessions = Sessions() if sessions is None else sessions
        self.affinity = Affinity(
            self.sessions,
            lambda event, **fields: self.told.append({"event": event, **fields}),
            route,
        )
        self.affinity.use("Mcp-Session-Id")

    def find(self, session: str) -> tuple[str, int] | None:
        return self.affinity.find(request(session), NOW)

    def note(self, asked: RequestHead, answer: ResponseHead, address: tuple[str, int]) -> None:
        self.affinity.note(asked, answer, address, NOW)


def request(
    session: str = "", *, method: str = "POST", name: str = "mcp-session-id"
) -> RequestHead:
    line = f"{name}: {session}\r\n" if session else ""
    head = f"{method} /mcp HTTP/1.1\r\nHost: here\r\nAccept: */*\r\n{line}\r\n"
    return parse_request_head(head.encode(), header_rules().lines)


def response(session: str = "", *, status: int = 200) -> ResponseHead:
    line = f"MCP-Session-Id: {session}\r\n" if session else ""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: text/plain\r\n{line}\r\n"
    return parse_response_head(
        head.encode(), method=b"POST", client_minor=1, trailers=header_rules().trailers
    )


def test_a_session_stays_where_it_was_begun() -> None:
    rig = Rig()
    rig.note(request(), response("abc"), A)
    assert rig.find("abc") == A
    assert rig.find("abd") is None
    assert rig.affinity.find(request(), NOW) is None


def test_others_are_told_once_and_never_the_id() -> None:
    rig = Rig()
    for _ in range(3):
        rig.note(request("abc"), response("abc"), A)
    (told,) = rig.told
    assert (told["event"], told["host"], told["port"]) == ("session", *A)
    assert len(told["key"]) == 32
    assert "abc" not in told["key"]


def test_a_session_that_was_not_known_is_learned_from_a_good_answer() -> None:
    rig = Rig()
    rig.note(request("old"), response(status=202), B)
    assert rig.find("old") == B


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_an_error_teaches_nothing_and_forgets_nothing(status: int) -> None:
    rig = Rig()
    rig.note(request("old"), response(status=status), B)
    assert rig.find("old") is None
    rig.note(request("old"), response(), A)
    rig.note(request("old"), response(status=status), B)
    assert rig.find("old") == A


def test_a_session_that_is_served_elsewhere_has_moved() -> None:
    rig = Rig()
    rig.note(request(), response("abc"), A)
    rig.note(request("abc"), response(), B)
    assert rig.find("abc") == B
    assert [told["host"] for told in rig.told] == [A[0], B[0]]


@pytest.mark.parametrize(("status", "known"), [(200, None), (204, None), (405, A), (404, A)])
def test_a_deleted_session_is_forgotten(status: int, known: object) -> None:
    rig = Rig()
    rig.note(request(), response("abc"), A)
    rig.note(request("abc", method="DELETE"), response(status=status), A)
    assert rig.find("abc") == known
    assert rig.told[-1]["host"] == ("" if known is None else A[0])


def test_sessions_of_two_routes_are_two() -> None:
    one = Rig()
    two = Rig(one.sessions, "reviewer")
    one.note(request(), response("abc"), A)
    assert two.find("abc") is None


def test_the_name_of_the_header_is_read_as_any_field_name() -> None:
    rig = Rig()
    rig.note(request("abc", name="MCP-SESSION-ID"), response(), A)
    assert rig.find("abc") == A
    rig.affinity.use("X-Thread")
    assert rig.find("abc") is None
    rig.note(request("abc", name="x-thread"), response(), B)
    assert rig.affinity.find(request("abc", name="X-Thread"), NOW) == B


def test_without_a_header_nothing_is_kept() -> None:
    rig = Rig()
    rig.affinity.use("")
    rig.note(request("abc"), response("abc"), A)
    assert (rig.find("abc"), len(rig.sessions), rig.told) == (None, 0, [])
