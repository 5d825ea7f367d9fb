"""`gateway.control_plane.forwarding.forwarder`."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.audit.event import digest
from gateway.audit.journal import Journal
from gateway.config.audit_model import ForwardConfig
from gateway.control_plane.forwarding import reader
from gateway.control_plane.forwarding.forwarder import (
    EVERY_S,
    LEAST_BACKOFF_S,
    LOCAL_RETRY_S,
    LONGEST_BACKOFF_S,
    Forwarder,
)
from gateway.control_plane.forwarding.reader import Read
from gateway.control_plane.forwarding.record import (
    Away,
    Record,
    Rejected,
    Taken,
    Verdict,
    with_hashed_names,
)
from identity.errors import StoreUnavailable

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Far:
    """A destination that refuses what holds a word, and says what it is told to."""

    def __init__(self, *says: Verdict, poison: str = "") -> None:
        self.says = list(says)
        self.poison = poison
        self.taken: list[Record] = []
        self.asked = 0

    async def send(self, records: Sequence[Record]) -> Verdict:
        self.asked += 1
        verdict = self.says.pop(0) if self.says else Taken()
        if self.poison and any(self.poison in item.text for item in records):
            verdict = Rejected("the server answered 422")
        if isinstance(verdict, Taken):
            self.taken += records
        return verdict

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def numbers(self) -> list[int]:
        return [item.seq for item in self.taken]


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(folder / "audit.jsonl", project="acme")

    async def note(self, *names: str, action: str = "secret.use", reason: str = "") -> None:
        def record() -> None:
            for name in names:
                self.journal.record(action, outcome="ok", name=name, reason=reason)

        await asyncio.to_thread(record)

    async def lines(self) -> list[bytes]:
        return (await asyncio.to_thread(self.journal.path.read_bytes)).splitlines()

    def forwarder(self, far: Far, *, hashed: bool = False) -> Forwarder:
        async def key() -> bytes:
            return b"k"

        return Forwarder(
            ForwardConfig(name="far", kind="otlp", to="http://x", hashed_names=hashed),
            self.journal.path,
            far,
            name_key=key,
            rng=random.Random(1),
            now=lambda: NOW,
        )

    async def refused(self) -> list[dict[str, object]]:
        path = self.folder / "forward-far.refused.jsonl"
        text = await asyncio.to_thread(path.read_text)
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_all_lines_are_passed_on_once(bench: Bench) -> None:
    far = Far()
    forwarder = bench.forwarder(far)
    await bench.note(*"abcde")
    assert await forwarder.forward() == 0.0
    assert await forwarder.forward() == EVERY_S
    await bench.note("f")
    await forwarder.forward()
    assert far.numbers == [1, 2, 3, 4, 5, 6]
    assert far.taken[0].text.encode() == (await bench.lines())[0]
    assert forwarder.position == 6
    view = forwarder.view()
    assert (view.lag, view.sent, view.refused, view.problem) == (0, 6, 0, "")


async def test_another_process_goes_on_where_one_has_stopped(bench: Bench) -> None:
    await bench.note("a", "b")
    await bench.forwarder(Far()).forward()
    await bench.note("c")
    far = Far()
    await bench.forwarder(far).forward()
    assert far.numbers == [3]
    mode = stat.S_IMODE((bench.folder / "forward-far.json").stat().st_mode)
    assert mode == 0o600


@pytest.mark.parametrize("text", ["{", "[" * 10_000, '{"seq": 1e999, "head": ""}'])
async def test_a_cursor_that_is_not_readable_sends_all_again(
    bench: Bench, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    await bench.note("a", "b")
    await asyncio.to_thread((bench.folder / "forward-far.json").write_text, text)
    far = Far()
    with caplog.at_level(logging.WARNING):
        await bench.forwarder(far).forward()
    assert far.numbers == [1, 2]
    assert "not readable" in caplog.text


async def test_an_absent_server_is_asked_again_later_and_later(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.note("a")
    far = Far(*[Away("no")] * 40)
    forwarder = bench.forwarder(far)
    with caplog.at_level(logging.INFO):
        pauses = [await forwarder.forward() for _ in range(40)]
        assert all(1.0 <= pause <= LONGEST_BACKOFF_S for pause in pauses)
        assert max(pauses) > 60
        assert len(set(pauses)) == 40
        view = forwarder.view()
        assert (view.lag, view.problem, view.problem_since) == (1, "no", NOW)
        assert await forwarder.forward() == 0.0
    assert far.numbers == [1]
    assert forwarder.view().problem == ""
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_server_is_given_the_time_that_it_asks_for(bench: Bench) -> None:
    await bench.note("a")
    forwarder = bench.forwarder(Far(Away("no", 77.0), Away("no", 1e9)))
    assert await forwarder.forward() == 77.0
    assert await forwarder.forward() == 3600.0


async def test_what_is_missing_here_is_looked_for_soon_and_is_no_failure_of_the_server(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.note("a")
    far = Far(*[Away("the secret key is not set", is_here=True)] * 20, Away("no"))
    forwarder = bench.forwarder(far)
    with caplog.at_level(logging.INFO):
        assert {await forwarder.forward() for _ in range(20)} == {LOCAL_RETRY_S}
        assert (forwarder.view().problem, forwarder.view().problem_since) == (
            "the secret key is not set",
            NOW,
        )
        assert not caplog.records
        assert await forwarder.forward() <= 3 * LEAST_BACKOFF_S
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert await forwarder.forward() == 0.0
    assert (far.numbers, forwarder.view().problem) == ([1], "")


async def test_a_line_that_is_never_taken_is_put_aside_and_the_others_go_on(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.note("a", "b", "poison", "d", "e")
    far = Far(poison="poison")
    forwarder = bench.forwarder(far)
    with caplog.at_level(logging.ERROR):
        await forwarder.forward()
    assert far.numbers == [1, 2, 4, 5]
    (aside,) = await bench.refused()
    assert (aside["seq"], aside["why"]) == (3, "the server answered 422")
    assert json.loads(str(aside["line"]))["name"] == "poison"
    assert "from number 3" in caplog.text
    assert (forwarder.position, forwarder.view().sent, forwarder.view().refused) == (5, 4, 1)
    assert stat.S_IMODE((bench.folder / "forward-far.refused.jsonl").stat().st_mode) == 0o600
    (bench.folder / "forward-far.refused.jsonl").unlink()
    await forwarder.forward()
    assert forwarder.view().refused == 0


async def test_what_was_taken_of_a_batch_is_not_sent_again(bench: Bench) -> None:
    await bench.note("a", "b", "c", "d")
    far = Far(Rejected("too large"), Taken(), Away("gone"))
    forwarder = bench.forwarder(far)
    assert await forwarder.forward() > 0
    assert (far.numbers, forwarder.position) == ([1, 2], 2)
    await forwarder.forward()
    assert far.numbers == [1, 2, 3, 4]


async def test_a_batch_of_which_some_were_rejected_is_put_aside_whole(bench: Bench) -> None:
    await bench.note("a", "b", "c")
    forwarder = bench.forwarder(Far(Taken(rejected=1, why="one is old")))
    await forwarder.forward()
    assert [item["seq"] for item in await bench.refused()] == [1, 2, 3]
    assert (forwarder.position, forwarder.view().sent) == (3, 2)


async def test_names_are_hashed_where_they_tell_of_secrets(bench: Bench) -> None:
    await bench.note("openai-key", reason="for openai-key")
    await bench.note("planner", action="route.use")
    await bench.note("", action="config.reload", reason="the secret openai-key is odd")
    far = Far()
    await bench.forwarder(far, hashed=True).forward()
    assert "openai-key" not in "".join(item.text for item in far.taken)
    use, route, reload = (json.loads(item.text) for item in far.taken)
    assert use["name"].startswith("hmac-sha256:")
    assert use["reason"] == f"for {use['name']}"
    assert route["name"] == "planner"
    assert reload["reason"].startswith("hmac-sha256:")
    lines = await bench.lines()
    assert [use["hash"], route["hash"]] == [digest(line) for line in lines[:2]]


@pytest.mark.parametrize("action", ["rotation.revoke", "configu.publish", "mfa.use"])
def test_names_are_hashed_whoever_tells_of_the_secret(action: str) -> None:
    fields = {"action": action, "name": "openai-key", "reason": "openai-key is old"}
    assert "openai-key" not in with_hashed_names(Record(1, "ff", "", fields), b"k").text


def test_names_in_an_approval_are_hashed_and_its_proof_stays() -> None:
    statement = {"names": ["db", "openai-key"], "nonce": "n"}
    fields = {
        "action": "mfa.approve",
        "name": "db, openai-key",
        "mfa": {"statement": statement, "signature": "s"},
    }
    hashed = with_hashed_names(Record(1, "ff", "", fields), b"k")
    assert "openai-key" not in hashed.text
    touch = hashed.fields["mfa"]
    assert (touch["signature"], touch["statement"]["nonce"]) == ("s", "n")
    assert len(touch["statement"]["names"]) == 2
    assert statement["names"] == ["db", "openai-key"]


def test_names_of_variables_are_hashed_wherever_they_stand() -> None:
    fields = {
        "action": "envrc.start",
        "name": "/work/acme",
        "variable": "OPENAI",
        "variables": ["OPENAI", "DB"],
    }
    hashed = with_hashed_names(Record(1, "ff", "", fields), b"k").fields
    assert hashed["name"] == "/work/acme"
    assert hashed["variables"][0] == hashed["variable"] != "OPENAI"
    assert str(hashed["variables"][1]).startswith("hmac-sha256:")


async def test_a_journal_that_rests_is_not_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Far()
    forwarder = bench.forwarder(far)
    await bench.note("a")
    assert [await forwarder.forward() for _ in range(3)] == [0.0, EVERY_S, EVERY_S]

    def fail(*_: object, **__: object) -> list[Read]:
        raise OSError("read")

    with monkeypatch.context() as patched:
        patched.setattr(reader, "read_after", fail)
        assert await forwarder.forward() == EVERY_S
        await bench.note("b")
        await forwarder.forward()
        assert forwarder.view().problem.endswith("read")
    await forwarder.forward()
    assert far.numbers == [1, 2]


async def test_without_the_key_nothing_is_sent(bench: Bench) -> None:
    async def locked() -> bytes:
        raise StoreUnavailable("the keychain is locked: unlock it")

    await bench.note("a")
    far = Far()
    forwarder = bench.forwarder(far, hashed=True)
    forwarder._name_key = locked
    assert await forwarder.forward() == LOCAL_RETRY_S
    assert far.asked == 0
    assert "locked" in forwarder.view().problem


async def test_a_cursor_that_can_not_be_written_stops_nothing(bench: Bench) -> None:
    await bench.note("a")
    (bench.folder / "forward-far.json").mkdir()
    far = Far()
    forwarder = bench.forwarder(far)
    assert await forwarder.forward() > 0
    assert "directory" in forwarder.view().problem


async def test_at_the_end_what_is_left_is_passed_on(bench: Bench) -> None:
    await bench.note(*map(str, range(250)))
    far = Far()
    await bench.forwarder(far).finish()
    assert far.numbers == list(range(1, 251))
    away = bench.forwarder(Far(*[Away("no")] * 2))
    await bench.note("x")
    await away.finish()
    assert away.view().lag == 1
