from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from identity.configu.client import ConfiguClient, PendingApproval, Stored
from identity.errors import TokenDenied, TokenUnavailable
from identity.secret_stores.base import Secret
from tests.fakes.configu_server import JWT, ORG, QUEUE, TOKEN, ConfiguServer
from tests.fakes.http_thread import Reply, Request


@pytest.fixture
def server() -> Iterator[ConfiguServer]:
    with ConfiguServer() as made:
        yield made


def client(server: ConfiguServer, token: str = TOKEN, org: str = ORG) -> ConfiguClient:
    return ConfiguClient(org=org, token=Secret(token), endpoint=server.url)


@pytest.mark.parametrize("token", [TOKEN, JWT])
async def test_what_is_written_is_read(server: ConfiguServer, token: str) -> None:
    configu = client(server, token)
    long = "v" * 200_000
    assert (
        await configu.upsert({("", "A"): "1", ("prod", "A"): "ü", ("prod", "L"): long}) == Stored()
    )
    found = await configu.get(["", "prod"], ["A", "L", "MISSING"])
    assert found == {("", "A"): "1", ("prod", "A"): "ü", ("prod", "L"): long}
    await configu.upsert({("prod", "A"): ""})
    assert await configu.get(["prod"], ["A"]) == {}


async def test_a_tag_is_a_time(server: ConfiguServer) -> None:
    server.tagged["v1"] = {("", "A"): "then"}
    assert await client(server).get([""], ["A"], tag="v1") == {("", "A"): "then"}


async def test_a_protected_set_stores_nothing_until_somebody_approves(
    server: ConfiguServer,
) -> None:
    server.protected.add("prod")
    result = await client(server).upsert({("prod", "A"): "1", ("prod", "B"): "2"})
    assert isinstance(result, PendingApproval)
    assert (result.sets, result.queue_url) == (("prod",), QUEUE)
    assert server.configs == {}
    assert len(server.waiting) == 2


async def test_refusals_say_why(server: ConfiguServer) -> None:
    with pytest.raises(TokenDenied, match="401: Unauthorized") as caught:
        await client(server, "of-nobody").get([""], ["A"])
    assert "of-nobody" not in str(caught.value) + caught.value.hint
    with pytest.raises(TokenDenied, match="403: Forbidden") as caught:
        await client(server, org="another").upsert({("", "A"): "1"})
    assert "organization" in caught.value.hint
    for server.fails in (429, 500, 503):
        with pytest.raises(TokenUnavailable) as later:
            await client(server).get([""], ["A"])
        assert later.value.retry_after_s == 7


@pytest.mark.parametrize(
    "told", [None, {}, ["a"], [{"set": "", "key": "A"}], [{"set": "", "key": "A", "value": 1}]]
)
async def test_an_answer_of_another_shape_is_refused(told: Any) -> None:
    class Odd(ConfiguServer):
        def answer(self, request: Request) -> Reply:
            return Reply(body=told)

    with Odd() as odd, pytest.raises(TokenDenied, match="not as Configu does"):
        await client(odd).get([""], ["A"])


@pytest.mark.parametrize("told", [{}, [], {"diff": 1}, {"diff": {"pending": [1, {"set": None}]}}])
async def test_a_pending_change_of_another_shape_is_pending(told: Any) -> None:
    class Odd(ConfiguServer):
        def answer(self, request: Request) -> Reply:
            return Reply(status=202, body=told)

    with Odd() as odd:
        result = await client(odd).upsert({("", "A"): "1"})
    assert result == PendingApproval(sets=(), queue_url="")


async def test_two_values_for_one_config_are_refused() -> None:
    twice = [{"set": "", "key": "A", "value": "1"}, {"set": "", "key": "A", "value": "2"}]

    class Odd(ConfiguServer):
        def answer(self, request: Request) -> Reply:
            return Reply(body=twice)

    with Odd() as odd, pytest.raises(TokenDenied, match="not as Configu does"):
        await client(odd).get([""], ["A"])


async def test_a_server_that_says_nothing_is_left(server: ConfiguServer) -> None:
    released = threading.Event()

    class Silent(ConfiguServer):
        def answer(self, request: Request) -> Reply:
            released.wait(20)
            return Reply(body=[])

    with Silent() as silent:
        configu = ConfiguClient(org=ORG, token=Secret(TOKEN), endpoint=silent.url, timeout_s=0.2)
        try:
            with pytest.raises(TokenUnavailable, match="didn't answer"):
                await configu.get([""], ["A"])
        finally:
            released.set()


async def test_an_answer_that_is_too_large_is_refused(server: ConfiguServer) -> None:
    server.configs["", "A"] = "v" * (17 * 1024 * 1024)
    with pytest.raises(TokenDenied, match="larger than"):
        await client(server).get([""], ["A"])


@pytest.mark.parametrize(
    ("status", "retried"), [(400, False), (404, False), (409, True), (422, False), (302, False)]
)
async def test_other_refusals(server: ConfiguServer, status: int, retried: bool) -> None:
    server.fails = status
    with pytest.raises(TokenUnavailable if retried else TokenDenied, match=str(status)):
        await client(server).get([""], ["A"])
