"""`gateway.control_plane.audit_signer`."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from gateway.audit.event import Place
from gateway.audit.files import all_files, full_files, lines_of
from gateway.audit.journal import Journal, Keeping
from gateway.audit.key import key_ref, place_of, reached_ref, signer_of
from gateway.audit.verify import Expected, Verdict, verify
from gateway.control_plane.audit_signer import AuditSigner
from identity.errors import StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore


class Bench:
    """A journal and the store that its key is in."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.jsonl"
        self.journal = Journal(self.path, project="acme")
        self.store: MemoryStore = MemoryStore()
        self.signer = AuditSigner(self.journal, self.store)

    async def note(self) -> None:
        """Record something."""
        await asyncio.to_thread(self.journal.record, "x", outcome="ok")

    async def verdict(self) -> Verdict:
        """By what the store knows."""
        key = signer_of(await self.store.get(key_ref("acme"))).public_key
        reached = place_of(await self.store.get(reached_ref("acme")))
        expected = Expected(keys=frozenset([key]), reached=reached)
        files = await asyncio.to_thread(
            lambda: [(item.name, list(lines_of(item))) for item in all_files(self.path)]
        )
        return verify(files, expected)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_all_lines_are_vouched_for(bench: Bench) -> None:
    await bench.note()
    await bench.note()
    await bench.signer.sign()
    found = await bench.verdict()
    assert (found.whole, found.signed) == (True, 2)


async def test_the_key_stays_the_same_over_restarts(bench: Bench) -> None:
    for number in range(3):
        await bench.note()
        await AuditSigner(bench.journal, bench.store).sign()
        assert (await bench.verdict()).signed == 2 * number + 1
    assert (await bench.verdict()).whole


async def test_an_end_that_is_cut_off_is_found(bench: Bench) -> None:
    for _ in range(3):
        await bench.note()
    await bench.signer.sign()
    first = bench.path.read_bytes().splitlines(keepends=True)[0]
    bench.path.write_bytes(first)
    assert not (await bench.verdict()).whole


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_journal_made_anew_stays_found_after_the_next_signature(
    bench: Bench, caplog: pytest.LogCaptureFixture, *, restarted: bool
) -> None:
    for _ in range(3):
        await bench.note()
    await bench.signer.sign()
    bench.path.unlink()
    for _ in range(9):
        await bench.note()
    signer = AuditSigner(bench.journal, bench.store) if restarted else bench.signer
    await signer.sign()
    found = await bench.verdict()
    assert [problem.what for problem in found.problems] == [
        "the signer didn't find here what it had signed before"
    ]
    assert "line 3 of the audit journal" in caplog.text
    await bench.note()
    await signer.sign()
    assert len((await bench.verdict()).problems) == 1


@pytest.mark.parametrize(("files", "more"), [(0, 1), (1, 4)])
async def test_what_was_signed_may_be_in_a_full_file_or_pruned(
    bench: Bench, files: int, more: int
) -> None:
    await bench.note()
    await bench.signer.sign()
    too_many = bench.signer.too_many
    bench.journal.keeping = Keeping(file_bytes=1, files=files, too_many=too_many)
    for _ in range(more):
        await bench.note()
    await bench.signer.sign()
    text = await asyncio.to_thread(lambda: [*map(Path.read_text, all_files(bench.path))])
    assert len(text) > 1
    assert "audit.broken" not in "".join(text)


async def test_old_files_go_as_soon_as_there_are_too_many(bench: Bench) -> None:
    too_many = bench.signer.too_many
    bench.journal.keeping = Keeping(file_bytes=1, files=2, too_many=too_many)
    task = asyncio.create_task(bench.signer.run())
    try:
        async with asyncio.timeout(20):
            while len(await asyncio.to_thread(full_files, bench.path)) != 2:
                await bench.note()
                await asyncio.sleep(0.01)
            while not await asyncio.to_thread(has_removal, bench.path):
                await bench.note()
    finally:
        task.cancel()
        await asyncio.wait([task])
    await bench.signer.finish()
    bench.signer.too_many()  # nobody listens any more
    assert (await bench.verdict()).problems == []


def has_removal(path: Path) -> bool:
    """Whether a line tells of one."""
    try:
        return any(b'"audit.pruned"' in item.read_bytes() for item in all_files(path))
    except FileNotFoundError:  # removed meanwhile
        return False


class Grudging(MemoryStore):
    """A store that can be read only."""

    def __init__(self) -> None:
        super().__init__()
        self.is_locked = False

    async def set(self, ref: SecretRef, value: Secret) -> None:
        if self.is_locked:
            raise StoreUnavailable("the keychain is locked: unlock it")
        await super().set(ref, value)


async def test_nothing_is_removed_that_the_store_says_was_signed_last(bench: Bench) -> None:
    store = bench.store = Grudging()
    signer = AuditSigner(bench.journal, store)
    bench.journal.keeping = Keeping(file_bytes=1, files=1, too_many=signer.too_many)
    await bench.note()
    await signer.sign()
    store.is_locked = True
    for _ in range(4):
        await bench.note()
        await signer.sign()
    assert (await bench.verdict()).first == 1
    store.is_locked = False
    await signer.sign()
    found = await bench.verdict()
    assert (found.problems, found.first > 4) == ([], True)


class Locked(MemoryStore):
    """A store that can't be used."""

    async def get(self, ref: SecretRef) -> Secret:
        raise StoreUnavailable("the keychain is locked: unlock it")


async def test_without_the_store_nothing_is_signed_and_that_is_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    signer = AuditSigner(bench.journal, Locked())
    await bench.note()
    with caplog.at_level(logging.WARNING):
        await signer.sign()
        await signer.finish()
    (record,) = caplog.records
    assert "not signed: the keychain is locked" in record.message


async def test_a_kept_key_that_is_none_is_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.store.set(key_ref("acme"), Secret("no key"))
    await bench.note()
    with caplog.at_level(logging.WARNING):
        await bench.signer.sign()
    assert "not readable" in caplog.text


def test_a_place_is_kept_as_text() -> None:
    for text in ("x", "[]", "{}", '{"seq": null, "head": ""}', "3"):
        with pytest.raises(ValueError, match=r"."):
            place_of(Secret(text))
    assert place_of(Secret('{"seq": 3, "head": "ff"}')) == Place(3, "ff")
