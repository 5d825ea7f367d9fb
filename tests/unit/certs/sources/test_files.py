"""Files written by somebody else: every way of replacing them is noticed, no torn pair is used."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from certs import keys
from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable
from certs.sources.files import FilesSource
from tests.fakes.certificates import AGENT, Leaf, key_of, root
from tests.fakes.clock import START, FakeClock

ROOT = root()
ISSUING = ROOT.authority("acme issuing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    key: bytes
    chain: bytes


def pair(kind: str = "p256", like: Leaf | None = None) -> Pair:
    key = key_of(kind)
    return Pair(key=keys.to_pem(key), chain=ISSUING.chain_of(ISSUING.leaf(key, like)))


class Folder:
    """The three files in a folder, as a tool writes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.chain, self.key, self.bundle = (
            path / name for name in ("client.crt", "client.key", "ca.pem")
        )
        self.clock = FakeClock()

    def write(self, new: Pair, bundle: bytes = ROOT.pem) -> None:
        self.path.mkdir(mode=0o755, exist_ok=True)
        self.chain.write_bytes(new.chain)
        self.key.touch(mode=0o600)
        self.key.write_bytes(new.key)
        self.bundle.write_bytes(bundle)

    def source(self) -> FilesSource:
        return FilesSource(self.chain, self.key, self.bundle, poll_interval_s=2.0, clock=self.clock)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "identity")
    folder.write(pair())
    return folder


async def looks(folder: Folder, watch: asyncio.Task[None]) -> bool:
    """Whether a watcher has news after a few looks."""
    for _ in range(4):
        await folder.clock.advance(2.0)
        await one_look(folder, watch)
        if watch.done():
            return True
    return False


async def one_look(folder: Folder, watch: asyncio.Task[None]) -> None:
    """A look is taken in a thread, so it takes as long as it takes; then the watcher sleeps."""
    async with asyncio.timeout(20):
        while not watch.done() and folder.clock.longest_sleep_s == 0:
            await asyncio.sleep(0.001)


@asynccontextmanager
async def watched(source: FilesSource) -> AsyncIterator[asyncio.Task[None]]:
    watch = asyncio.create_task(source.changed())
    try:
        yield watch
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_reads_an_identity(folder: Folder) -> None:
    identity = await folder.source().obtain(None)
    assert identity.spiffe_id == AGENT
    assert identity.bundle_pem == ROOT.pem
    assert "client.crt" in repr(folder.source())


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa"])
async def test_reads_every_kind_of_key(folder: Folder, kind: str) -> None:
    folder.write(pair(kind))
    assert (await folder.source().obtain(None)).spiffe_id == AGENT


@pytest.mark.parametrize("key_first", [True, False])
async def test_one_file_may_hold_both(folder: Folder, key_first: bool) -> None:
    new = pair()
    both = folder.path / "both.pem"
    both.touch(mode=0o600)
    both.write_bytes(new.key + new.chain if key_first else new.chain + new.key)
    identity = await FilesSource(both, both, folder.bundle, clock=folder.clock).obtain(None)
    assert b"PRIVATE" not in identity.chain_pem


async def test_key_after_its_curve_parameters(folder: Folder) -> None:
    key = keys.generate()
    old_style = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    folder.write(Pair(key=parameters + old_style, chain=ISSUING.chain_of(ISSUING.leaf(key))))
    assert (await folder.source().obtain(None)).spiffe_id == AGENT


@pytest.mark.parametrize("name", ["client.crt", "client.key", "ca.pem"])
async def test_missing_file_is_named_and_may_come_later(folder: Folder, name: str) -> None:
    (folder.path / name).unlink()
    source = folder.source()
    with pytest.raises(SourceUnavailable, match=f"{name} doesn't exist"):
        await source.obtain(None)
    async with watched(source) as watch:
        assert not await looks(folder, watch)
        folder.write(pair())
        assert await looks(folder, watch)
    assert (await source.obtain(None)).spiffe_id == AGENT


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o660, 0o602, 0o610])
async def test_key_that_others_may_use_is_refused_until_mended(folder: Folder, mode: int) -> None:
    folder.key.chmod(mode)
    source = folder.source()
    with pytest.raises(SourceDenied, match="others than its owner") as caught:
        await source.obtain(None)
    assert caught.value.hint == f"chmod 600 {folder.key}"
    async with watched(source) as watch:
        folder.key.chmod(0o600)
        assert await looks(folder, watch)
    assert (await source.obtain(None)).spiffe_id == AGENT


@pytest.mark.parametrize("mode", [0o440, 0o640])
async def test_key_may_be_read_by_a_group_of_ours(folder: Folder, mode: int) -> None:
    """As Kubernetes writes it for a container that isn't root (fsGroup)."""
    folder.key.chmod(mode)
    assert (await folder.source().obtain(None)).spiffe_id == AGENT


async def test_key_that_another_group_may_read_is_refused(folder: Folder) -> None:
    require_root()
    folder.key.chmod(0o640)
    os.chown(folder.key, -1, max([os.getegid(), *os.getgroups()]) + 1)
    with pytest.raises(SourceDenied, match="others than its owner"):
        await folder.source().obtain(None)


@pytest.mark.parametrize("name", ["client.crt", "ca.pem"])
async def test_public_file_may_be_read_but_not_written_by_all(folder: Folder, name: str) -> None:
    (folder.path / name).chmod(0o644)
    assert (await folder.source().obtain(None)).spiffe_id == AGENT
    (folder.path / name).chmod(0o646)
    with pytest.raises(SourceDenied, match=f"everybody may write to .*{name}"):
        await folder.source().obtain(None)


@pytest.mark.parametrize("mode", [0o777, 0o2777, 0o703])
async def test_folder_that_everybody_may_write_to_is_refused(folder: Folder, mode: int) -> None:
    folder.path.chmod(mode)
    source = folder.source()
    with pytest.raises(SourceDenied, match=r"everybody may write to .*identity$"):
        await source.obtain(None)
    async with watched(source) as watch:
        folder.path.chmod(0o755)
        assert await looks(folder, watch)


async def test_sticky_folder_keeps_our_files(folder: Folder) -> None:
    folder.path.chmod(0o1777)
    assert (await folder.source().obtain(None)).spiffe_id == AGENT


@pytest.mark.parametrize("name", ["client.crt", "client.key", "ca.pem"])
async def test_strangers_file_in_a_sticky_folder_is_refused(folder: Folder, name: str) -> None:
    require_root()
    folder.path.chmod(0o1777)
    os.chown(folder.path / name, os.geteuid() + 1, -1)
    with pytest.raises(SourceDenied, match=r"everybody may write to .*identity$"):
        await folder.source().obtain(None)


async def test_strangers_link_in_a_sticky_folder_is_refused(folder: Folder) -> None:
    require_root()
    volume = Folder(folder.path.with_name("volume"))
    volume.path.mkdir()
    volume.path.chmod(0o1777)
    for path in (folder.chain, folder.key, folder.bundle):
        (volume.path / path.name).symlink_to(path)
    assert (await volume.source().obtain(None)).spiffe_id == AGENT
    os.chown(volume.key, os.geteuid() + 1, -1, follow_symlinks=False)
    with pytest.raises(SourceDenied, match=r"everybody may write to .*volume$"):
        await volume.source().obtain(None)


def require_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")


async def test_folder_behind_a_link_counts_too(folder: Folder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.key.rename(elsewhere / "key")
    folder.key.symlink_to(elsewhere / "key")
    assert (await folder.source().obtain(None)).spiffe_id == AGENT
    elsewhere.chmod(0o777)
    with pytest.raises(SourceDenied, match=r"everybody may write to .*elsewhere$"):
        await folder.source().obtain(None)


def _encrypted(secret: bytes = b"passphrase") -> bytes:
    return keys.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(secret),
    )


BAD: dict[str, tuple[Callable[[Folder], object], str]] = {
    "encrypted key": (lambda it: it.key.write_bytes(_encrypted()), "key is encrypted"),
    "no key": (lambda it: it.key.write_bytes(b"none"), "no private keys"),
    "two keys": (lambda it: it.key.write_bytes(pair().key + pair().key), "2 private keys"),
    "damaged key": (
        lambda it: it.key.write_bytes(pair().key.replace(b"M", b"#", 1)),
        "no private keys|not a readable",
    ),
    "another key": (lambda it: it.key.write_bytes(pair().key), "another key"),
    "no certificate": (lambda it: it.chain.write_bytes(b""), "not readable PEM"),
    "torn chain": (lambda it: it.chain.write_bytes(pair().chain[:900]), "client.crt: "),
    "another bundle": (lambda it: it.bundle.write_bytes(root().pem), "doesn't lead"),
    "no bundle": (lambda it: it.bundle.write_bytes(b""), "bundle is empty"),
    "expired": (lambda it: it.write(pair(like=Leaf(not_after=START))), "expired at"),
}


@pytest.mark.parametrize(("spoil", "why"), BAD.values(), ids=BAD)
async def test_bad_content_is_refused_and_mended(
    folder: Folder, spoil: Callable[[Folder], object], why: str
) -> None:
    spoil(folder)
    source = folder.source()
    with pytest.raises(ReplyRejected, match=why) as caught:
        await source.obtain(None)
    assert str(folder.path) in str(caught.value)
    assert caught.value.hint
    assert "BEGIN" not in str(caught.value)
    async with watched(source) as watch:
        folder.write(pair())
        assert await looks(folder, watch)
    assert (await source.obtain(None)).spiffe_id == AGENT


async def test_folder_in_place_of_a_file(folder: Folder) -> None:
    folder.chain.unlink()
    folder.chain.mkdir()
    before = open_descriptors()
    for _ in range(9):
        with pytest.raises(CertsError, match=r"client\.crt"):
            await folder.source().obtain(None)
    assert open_descriptors() < before + 9


async def test_pipe_doesnt_hang(folder: Folder) -> None:
    folder.key.unlink()
    os.mkfifo(folder.key, 0o600)
    with pytest.raises(SourceDenied, match="not a regular file"):
        async with asyncio.timeout(30):
            await folder.source().obtain(None)


async def test_links_in_a_circle(folder: Folder) -> None:
    folder.key.unlink()
    folder.key.symlink_to(folder.key)
    with pytest.raises(CertsError, match=r"client\.key"):
        await folder.source().obtain(None)


async def test_huge_file(folder: Folder) -> None:
    folder.bundle.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(SourceDenied, match="larger than 1 MiB"):
        await folder.source().obtain(None)


# Replacing


def in_place(folder: Folder, new: Pair) -> None:
    folder.write(new)


def by_rename(folder: Folder, new: Pair) -> None:
    for path, data in ((folder.chain, new.chain), (folder.key, new.key)):
        temporary = path.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_bytes(data)
        temporary.replace(path)


def by_another_folder(folder: Folder, new: Pair) -> None:
    other = Folder(folder.path.with_name("next"))
    other.write(new)
    folder.path.rename(folder.path.with_name("last"))
    other.path.rename(folder.path)


@pytest.mark.parametrize("replace", [in_place, by_rename, by_another_folder])
async def test_new_pair_is_noticed(folder: Folder, replace: Callable[[Folder, Pair], None]) -> None:
    source = folder.source()
    first = await source.obtain(None)
    async with watched(source) as watch:
        assert not await looks(folder, watch)
        replace(folder, pair())
        assert await looks(folder, watch)
    assert (await source.obtain(None)).serial != first.serial
    async with watched(source) as watch:
        assert not await looks(folder, watch)


async def test_swapped_link_to_a_folder_is_noticed(tmp_path: Path) -> None:
    """The layout of a Kubernetes volume: name → ..data/name, ..data → ..<time>/."""
    volume = tmp_path / "volume"
    volume.mkdir()
    folder = Folder(volume)
    for release in ("..one", "..two"):
        Folder(volume / release).write(pair())
    (volume / "..data").symlink_to("..one")
    for name in ("client.crt", "client.key", "ca.pem"):
        (volume / name).symlink_to(f"..data/{name}")
    source = folder.source()
    first = await source.obtain(None)
    async with watched(source) as watch:
        assert not await looks(folder, watch)
        (volume / "..tmp").symlink_to("..two")
        (volume / "..tmp").replace(volume / "..data")
        assert await looks(folder, watch)
    assert (await source.obtain(None)).serial != first.serial


async def test_new_bundle_is_noticed(folder: Folder) -> None:
    source = folder.source()
    await source.obtain(None)
    async with watched(source) as watch:
        folder.bundle.write_bytes(ROOT.pem + root("next").pem)
        assert await looks(folder, watch)
    assert (await source.obtain(None)).bundle_pem.count(b"BEGIN") == 2


async def test_change_that_came_while_nobody_watched_is_noticed(folder: Folder) -> None:
    source = folder.source()
    await source.obtain(None)
    folder.write(pair())
    async with watched(source) as watch:
        assert await looks(folder, watch)


async def test_change_that_doesnt_show_in_the_files_times_is_noticed(folder: Folder) -> None:
    # As two writes within one tick of the file system's clock.
    source = folder.source()
    await source.obtain(None)
    folder.write(pair())
    source._files._seen_state = await asyncio.to_thread(source._files._state)
    async with watched(source) as watch:
        assert await looks(folder, watch)


async def test_same_content_written_again_is_no_news(folder: Folder) -> None:
    source = folder.source()
    await source.obtain(None)
    async with watched(source) as watch:
        for path in (folder.chain, folder.key, folder.bundle):
            path.write_bytes(path.read_bytes())
            os.utime(path, (1, 1))
        folder.bundle.chmod(0o600)
        assert not await looks(folder, watch)


async def test_vanished_files_are_no_news_until_they_are_back(folder: Folder) -> None:
    source = folder.source()
    await source.obtain(None)
    async with watched(source) as watch:
        folder.key.unlink()
        assert not await looks(folder, watch)
        folder.write(pair())
        assert await looks(folder, watch)


async def test_looks_are_as_far_apart_as_was_said(folder: Folder) -> None:
    source = folder.source()
    await source.obtain(None)
    async with watched(source) as watch:
        await one_look(folder, watch)
        folder.write(pair())
        await folder.clock.advance(1.9)
        await asyncio.wait([watch], timeout=0.1)
        assert not watch.done()
        await folder.clock.advance(0.2)
        await one_look(folder, watch)
        assert watch.done()


async def test_writer_in_a_loop_never_yields_a_mixture(folder: Folder) -> None:
    pairs = [pair() for _ in range(4)]
    folder.write(pairs[0])
    source = folder.source()
    stop = asyncio.Event()

    def write_on() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            by_rename(folder, pairs[turn % len(pairs)])

    writing = asyncio.create_task(asyncio.to_thread(write_on))
    try:
        for _ in range(60):
            try:
                identity = await source.obtain(None)
            except (SourceUnavailable, ReplyRejected):
                continue
            key = keys.from_pem(identity.key_pem)
            assert any(keys.to_pem(key) == item.key for item in pairs)
            chain = next(item.chain for item in pairs if item.key == keys.to_pem(key))
            assert identity.chain_pem == chain
    finally:
        stop.set()
        await writing
    folder.write(pairs[0])
    assert (await source.obtain(None)).chain_pem == pairs[0].chain


async def test_source_can_be_closed(folder: Folder) -> None:
    await folder.source().close()
