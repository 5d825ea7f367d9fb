from __future__ import annotations

from collections.abc import Iterator

import pytest

from identity.errors import TokenDenied, TokenUnavailable
from identity.langsmith import LangSmith, kind_of
from identity.secret_stores.base import Secret
from tests.fakes.langsmith_server import PERSONAL, SERVICE, WORKSPACE, LangSmithServer


@pytest.fixture
def server() -> Iterator[LangSmithServer]:
    with LangSmithServer() as made:
        yield made


def test_kinds_are_known_by_their_prefix() -> None:
    assert kind_of(Secret(PERSONAL)) == "personal access token"
    assert kind_of(Secret(SERVICE)) == "service key"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ls__0123456789abcdef0123456789abcdef", "of the old kind"),
        ("sk-ant-something-of-another-house", "not a LangSmith API key"),
        ("lsv2_xx_0123456789abcdef0123456789abcdef", "not a LangSmith API key"),
        ("lsv2_pt_short", "not a LangSmith API key"),
        (f"{PERSONAL}\r\nX-Evil: 1", "not a LangSmith API key"),
        ("", "no LangSmith API key was given"),
    ],
)
def test_what_is_none_is_refused_and_not_repeated(text: str, why: str) -> None:
    with pytest.raises(TokenDenied, match=why) as caught:
        kind_of(Secret(text))
    assert not text or text not in str(caught.value) + caught.value.hint


async def test_a_key_is_checked_without_changing_anything(server: LangSmithServer) -> None:
    await LangSmith(server.url).check(Secret(PERSONAL), workspace="")
    await LangSmith(server.url + "/").check(Secret(SERVICE), workspace=WORKSPACE)
    assert {(item.method, item.path) for item in server.requests} == {("GET", "/sessions")}


async def test_a_refusal_says_what_to_do(server: LangSmithServer) -> None:
    with pytest.raises(TokenDenied, match="401: Invalid token") as caught:
        await LangSmith(server.url).check(Secret(PERSONAL + "x"), workspace="")
    assert "--endpoint" in caught.value.hint
    with pytest.raises(TokenDenied, match="403: Forbidden") as caught:
        await LangSmith(server.url).check(Secret(SERVICE), workspace="")
    assert "--workspace" in caught.value.hint
    with pytest.raises(TokenUnavailable):
        await LangSmith("http://127.0.0.1:1").check(Secret(PERSONAL), workspace="")
