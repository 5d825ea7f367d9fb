from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest

from identity.errors import TokenDenied, TokenUnavailable
from identity.token_sources.token_file import INTERVAL_S, TokenFile


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.touch(mode)
    path.write_text(text)
    path.chmod(mode)
    return path


async def test_what_is_written_next_is_read_next(tmp_path: Path) -> None:
    path = written(tmp_path / "token", "one\n")
    source = TokenFile(path)
    token = await source.fetch()
    assert (token.value.reveal(), token.expires_at) == ("one", None)
    assert token.ask_again_s == INTERVAL_S
    written(tmp_path / "new", "two").rename(path)
    assert (await source.fetch()).value.reveal() == "two"


async def test_a_jwt_tells_its_end(tmp_path: Path) -> None:
    text = jwt.encode({"exp": 1_900_000_000}, "k" * 32, "HS256")
    token = await TokenFile(written(tmp_path / "token", text)).fetch()
    assert token.expires_at == datetime.fromtimestamp(1_900_000_000, UTC)


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o602, 0o604])
async def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "token", "t", mode)
    os.chown(path, os.geteuid(), 12345) if os.geteuid() == 0 else None
    with pytest.raises(TokenDenied, match="others than its owner") as caught:
        await TokenFile(path).fetch()
    assert "chmod 600" in caught.value.hint


async def test_a_group_of_ours_may_read(tmp_path: Path) -> None:
    await TokenFile(written(tmp_path / "token", "t", 0o440)).fetch()


async def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(TokenDenied, match="not a regular file"):
        await TokenFile(tmp_path / "pipe").fetch()


@pytest.mark.parametrize("text", ["", " \n", "a b", "a\nb", "x" * 70_000])
async def test_what_is_no_token_may_become_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(TokenUnavailable, match="holds no token"):
        await TokenFile(written(tmp_path / "token", text)).fetch()
    with pytest.raises(TokenUnavailable, match="doesn't exist"):
        await TokenFile(tmp_path / "absent").fetch()
