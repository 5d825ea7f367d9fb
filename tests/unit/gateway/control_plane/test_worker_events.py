from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from gateway.ipc import events
from tests.fakes.feeds import FakeFeeds, generation
from tests.fakes.supervisor_rig import running


async def test_events_of_a_worker_are_heard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with running(tmp_path, mode="chatty") as gateway:
        body = await gateway.until(lambda body: bool(body["routes"][0]["unavailable"]))
        assert body["routes"][0]["unavailable"] == "bad bundle"
        asked = gateway.feeds.identities[0].refreshed
        assert asked == ["planner refused our certificate: revoked"]
        # The same generation again is not another reason.
        await gateway.ask("POST", "/reload")
        assert len(asked) == 1
        await gateway.ask("POST", "/identity/renew")
        assert asked[1:] == ["asked for by the operator"]
    assert "hello" in caplog.messages
    assert b'{"access":1}\n' in (tmp_path / "gw.log").read_bytes()


def refusal(route: str, generation: int) -> events.Event:
    told: dict[str, str | int | float | None] = {
        "route": route,
        "identity": "default",
        "cause": "revoked",
    }
    return events.Event(name=events.LATE_ALERT, fields=told | {"generation": generation})


async def test_a_refused_certificate_is_renewed_once_and_not_for_ever(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        feed, hear = gateway.feeds.identities[0], gateway.hear
        for _ in range(3):  # each worker tells
            hear(refusal("planner", 1))
        assert len(feed.refreshed) == 1
        feed.publish(generation())
        for number in (2, 2, 1):
            hear(refusal("planner", number))
        feed.publish(generation())
        hear(refusal("planner", 3))
        assert len(feed.refreshed) == 1, "another certificate did not help"
        hear(refusal("writer", 3))
        hear(refusal("planner", 3))
        assert len(feed.refreshed) == 2, "it may help another route"
        feed.publish(generation())
        feed.publish(generation())
        hear(refusal("planner", 5))
        assert len(feed.refreshed) == 3, "the fourth was accepted"


async def test_refused_callers_are_on_paper(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        gateway.hear(
            events.Event(
                name=events.CALLER_DENIED,
                fields={"route": "planner", "listener": "l1", "reason": "uid 7", "count": 3},
            )
        )
    (line,) = [line for line in gateway.audit() if line["action"] == "route.use"]
    assert (line["name"], line["outcome"]) == ("planner", "denied")
    assert line["reason"] == "uid 7 (3 refusals)"


async def test_refused_credentials_are_asked_for_and_it_is_on_paper(tmp_path: Path) -> None:
    refused = events.Event(name=events.UNAUTHORIZED, fields={"route": "planner"})
    async with running(tmp_path) as gateway:
        await gateway.until_ready()
        headers = gateway.feeds.header_feed
        headers.renewal = "renewed"
        gateway.hear(refused)
        gateway.hear(refused)
        async with asyncio.timeout(20):
            while not headers.renewed:
                await asyncio.sleep(0.001)
        assert headers.renewed == ["planner"]
    (line,) = [line for line in gateway.audit() if line["action"] == "route.refused"]
    assert (line["name"], line["outcome"]) == ("planner", "ok")


async def test_requests_without_a_certificate_hasten_the_next_attempt(tmp_path: Path) -> None:
    missing = events.Event(name=events.IDENTITY_EXPIRED, fields={"identity": "default"})
    expired = events.Event(name=events.IDENTITY_EXPIRED, fields={"identity": "default"})
    async with running(tmp_path, feeds=FakeFeeds()) as gateway:
        identity = gateway.feeds.identities[0]
        for _ in range(2):
            gateway.hear(missing)
        assert identity.refreshed == ["requests wait for a certificate"] * 2
        identity.publish(generation(lifetime_s=-1))
        gateway.hear(expired)
        assert len(identity.refreshed) == 3
        identity.publish(generation())
        gateway.hear(expired)
        assert len(identity.refreshed) == 3, "there is a good one by now"
