"""Headers that a route attaches, or lets pass."""

from __future__ import annotations

import pytest

from gateway.config.model import HeaderTemplate
from tests.fakes.config_tables import file, only_problem, problems, route


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("",)),
        ("plain", ("plain",)),
        ("{secret:a}", ("", "a", "")),
        ("Bearer {secret:a}", ("Bearer ", "a", "")),
        ("{secret:a}{secret:b}", ("", "a", "", "b", "")),
        ("{{secret:a}}", ("{secret:a}",)),
        ("{{{secret:a}}}", ("{", "a", "}")),
    ],
)
def test_header_templates(text: str, parts: tuple[str, ...]) -> None:
    assert route(headers={"X-Api-Key": text}).headers == (HeaderTemplate("X-Api-Key", parts),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{tokens:x}", "unknown placeholder {tokens:x} | {secret:NAME} and {token:NAME} are known"),
        ("{token:x}", "there is no token 'x' | add a table [tokens.x]"),
        ("{token:}", "not a token's name"),
        ("{token:X}", "not a token's name"),
        ("{secret}", "unknown placeholder"),
        ("{}", "unknown placeholder"),
        ("{secret:a b}", "not usable"),
        ("{secret:}", "not usable"),
        ("{secret:a", "a lone '{'"),
        ("a}", "a lone '}'"),
        ("a\r\nX-Evil: 1", "control character"),
        ("a\x00", "control character"),
        ("ключ", "characters that a header can't"),
        ("a ", "starts or ends with a blank"),
    ],
)
def test_header_values_refused(text: str, why: str) -> None:
    assert why in only_problem("routes.r.headers.X-A", headers={"X-A": text})


@pytest.mark.parametrize(
    "name",
    ["Host", "CONNECTION", "Transfer_Encoding", "content-length", "TE", "upgrade", "Expect"],
)
def test_the_gateways_own_headers_are_refused(name: str) -> None:
    assert "gateway's own" in only_problem(f"routes.r.headers.{name}", headers={name: "x"})
    assert "gateway's own" in only_problem("routes.r.pass_headers[0]", pass_headers=[name])


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\n"])
def test_header_names_are_tokens(name: str) -> None:
    found = problems(file(headers={name: "x"}))
    (key,) = found
    assert key.startswith('routes.r.headers."')
    assert "is not a header name" in found[key]


def test_a_header_is_written_once_whatever_its_spelling() -> None:
    found = problems(file(headers={"X-Api-Key": "a", "x_api_key": "b"}))
    assert "the same header as X-Api-Key" in found["routes.r.headers.x_api_key"]


def test_pass_headers() -> None:
    assert route(pass_headers=["Cookie", "cookie", "X-Api-Key"]).pass_headers == (
        "cookie",
        "x-api-key",
    )
    text = only_problem(
        "routes.r.pass_headers[0]", pass_headers=["authorization"], headers={"Authorization": "x"}
    )
    assert "attached by this route" in text
