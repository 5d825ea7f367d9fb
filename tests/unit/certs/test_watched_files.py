"""Files of somebody else's, read whole; what `FilesSource` makes of them has tests of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from certs.errors import CertsError, SourceDenied, SourceUnavailable
from certs.watched_files import MIB, WatchedFiles


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    paths = (tmp_path / "bundle.pem", tmp_path / "lists.pem")
    for path in paths:
        path.write_text(path.name)
    return paths


async def test_reads_them_in_order(pair: tuple[Path, Path]) -> None:
    assert await WatchedFiles(*pair).read() == (b"bundle.pem", b"lists.pem")
    assert repr(WatchedFiles(*pair)) == f"WatchedFiles({pair[0]}, {pair[1]})"


async def test_what_was_read_is_no_news_and_something_else_is(pair: tuple[Path, Path]) -> None:
    files = WatchedFiles(*pair)
    await files.read()
    assert not await files.have_changed()
    pair[1].write_text("other")
    assert await files.have_changed()
    assert await files.have_changed(), "until it is read"
    assert await files.read() == (b"bundle.pem", b"other")
    assert not await files.have_changed()


async def test_a_change_that_doesnt_show_in_the_times_is_news(pair: tuple[Path, Path]) -> None:
    files = WatchedFiles(*pair)
    await files.read()
    pair[0].write_text("BUNDLE.PEM")
    files._seen_state = await asyncio.to_thread(files._state)
    assert await files.have_changed()


async def test_after_a_failure_anything_new_is_worth_a_try(tmp_path: Path) -> None:
    path = tmp_path / "late.pem"
    files = WatchedFiles(path)
    with pytest.raises(SourceUnavailable, match=r"late\.pem doesn't exist"):
        await files.read()
    assert not await files.have_changed()
    path.write_text("here")
    assert await files.have_changed()
    await files.read()
    path.unlink()
    with pytest.raises(SourceUnavailable, match="doesn't exist"):
        await files.have_changed()


@pytest.mark.parametrize(
    ("mode", "private", "why"),
    [(0o602, False, "everybody may write"), (0o644, True, "others than its owner may use it")],
)
async def test_a_file_in_strange_hands_is_refused(
    tmp_path: Path, mode: int, private: bool, why: str
) -> None:
    path = tmp_path / "file.pem"
    path.touch()
    path.chmod(mode)
    with pytest.raises(SourceDenied, match=why):
        await WatchedFiles(path, private=[path] if private else []).read()
    path.chmod(0o600)
    assert await WatchedFiles(path, private=[path]).read() == (b"",)


@pytest.mark.parametrize(("size", "fits"), [(2 * MIB, True), (2 * MIB + 1, False)])
async def test_a_file_has_a_most(tmp_path: Path, size: int, fits: bool) -> None:
    path = tmp_path / "file.pem"
    path.write_bytes(bytes(size))
    files = WatchedFiles(path, most_bytes=2 * MIB)
    if fits:
        assert len((await files.read())[0]) == size
    else:
        with pytest.raises(CertsError, match="larger than 2 MiB"):
            await files.read()
