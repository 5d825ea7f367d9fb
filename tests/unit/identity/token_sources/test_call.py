from __future__ import annotations

import pytest

from identity.errors import TokenDenied, TokenUnavailable
from identity.token_sources.call import Answer, Caller, error_word
from tests.fakes.http_thread import HttpThread, Reply, Request


class Odd(HttpThread):
    """Redirects, and sends more than anybody wants."""

    def answer(self, request: Request) -> Reply:
        if request.path == "/large":
            return Reply(body="x" * 300_000)
        if request.path == "/here":
            return Reply(status=307, headers={"Location": "/there"})
        return Reply(body={"path": request.path, **request.query})


async def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Odd() as server:
        answer = await Caller(server.url + "/", what="it").call("POST", "/here", body={"a": 1})
        assert answer.status == 307
        assert server.paths() == ["/here"]


async def test_a_path_and_a_query_are_put_below_the_base() -> None:
    with Odd() as server:
        caller = Caller(server.url + "/v1/", what="it")
        answer = await caller.call("GET", "/a", query={"b": "c d"})
        assert answer.json() == {"path": "/v1/a", "b": "c d"}


async def test_an_endless_answer_is_not_taken() -> None:
    with Odd() as server, pytest.raises(TokenDenied, match="larger than"):
        await Caller(server.url, what="it").call("GET", "/large")


async def test_authorities_that_are_not_there_are_told(tmp_path: object) -> None:
    from pathlib import Path

    caller = Caller("https://127.0.0.1:1", what="it", ca_file=Path(str(tmp_path)) / "ca.pem")
    with pytest.raises(TokenDenied, match="can't be used as authorities"):
        await caller.call("GET")
    with pytest.raises(TokenUnavailable):
        await Caller("https://127.0.0.1:1", what="it").call("GET")


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"error":"a","error_description":"b"}', "a: b"),
        (b'{"code":400,"error_code":"a","msg":"b"}', "a: b"),
        (b'{"code":"a","message":"b\\u001b[31m"}', "a: b [31m"),
        (b'{"detail":"b"}', "b"),
        (b"[]", ""),
        (b"<html>", ""),
        (b'{"msg":"' + b"x" * 999 + b'"}', "x" * 200),
    ],
)
def test_the_word_of_an_error_by_everybody_s_spelling(body: bytes, word: str) -> None:
    answer = Answer(status=400, body=body)
    assert error_word(answer) == word
    assert body.decode() not in repr(answer)


async def test_a_value_that_would_break_the_head_is_not_sent_nor_shown() -> None:
    with Odd() as server:
        with pytest.raises(TokenDenied, match="a header can't") as caught:
            await Caller(server.url, what="it").call("GET", headers={"X-Key": "canary\r\nX: 1"})
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert server.requests == []


@pytest.mark.parametrize("text", ["", "idp.example.com", "/token", "https://", "https://[::1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(TokenDenied):
        Caller(text, what="it")


@pytest.mark.parametrize("quoted", ["canary-key-0123456789", "canary-key", "ey-0123456789"])
async def test_what_was_sent_is_not_quoted_in_a_message(quoted: str) -> None:
    class Echo(HttpThread):
        def answer(self, request: Request) -> Reply:
            told = {"code": "bad", "message": f"the value {quoted} is none for DATABASE_URL"}
            return Reply(status=400, body=told)

    with Echo() as server:
        caller = Caller(server.url, what="the server")
        body = {"configs": [{"key": "DATABASE_URL", "value": "canary-key-0123456789"}]}
        for more in (
            {"body": body},
            {"form": {"password": "canary-key-0123456789"}},
            {"headers": {"Authorization": "Bearer canary-key-0123456789"}},
        ):
            answer = await caller.call("POST", "/x", **more)
            said = str(caller.refused(answer))
            assert "answered 400: bad: the value" in said
            assert said.endswith("… is none for DATABASE_URL")
            assert "0123456789" not in said
            assert "canary" not in repr(answer)
