"""`identity.program`, with real programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from identity.errors import TokenDenied
from identity.program import Program, output_of


def made(folder: Path, mode: int = 0o700) -> Program:
    folder.mkdir(parents=True, exist_ok=True)
    helper = folder / "helper"
    helper.write_text("#!/bin/sh\necho said\n")
    helper.chmod(0o700)
    folder.chmod(mode)
    return Program(command=(str(helper),), env={"PATH": os.defpath}, timeout_s=20)


async def test_what_it_prints_is_given_back(tmp_path: Path) -> None:
    assert await output_of(made(tmp_path / "own")) == b"said\n"


async def test_a_sticky_folder_keeps_what_is_ours(tmp_path: Path) -> None:
    assert await output_of(made(tmp_path / "shared", 0o1777)) == b"said\n"


@pytest.mark.parametrize("below", [".", "deep/er"])
async def test_nobody_else_may_put_another_in_its_place(tmp_path: Path, below: str) -> None:
    program = made(tmp_path / "open" / below)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(TokenDenied, match="others may put another program") as caught:
        await output_of(program)
    assert f"chmod o-w {tmp_path}/open" in caught.value.hint


@pytest.mark.parametrize("is_link_open", [True, False])
async def test_nor_on_either_side_of_a_link(tmp_path: Path, *, is_link_open: bool) -> None:
    program = made(tmp_path / "behind", 0o700 if is_link_open else 0o777)
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "helper").symlink_to(program.command[0])
    if is_link_open:
        (tmp_path / "before").chmod(0o777)
    linked = Program(
        command=(str(tmp_path / "before" / "helper"),), env={"PATH": os.defpath}, timeout_s=20
    )
    with pytest.raises(TokenDenied, match="others may put another program"):
        await output_of(linked)


async def test_nor_where_the_path_leads(tmp_path: Path) -> None:
    made(tmp_path / "open", 0o777)
    program = Program(command=("helper",), env={"PATH": str(tmp_path / "open")}, timeout_s=20)
    with pytest.raises(TokenDenied, match="others may put another program"):
        await output_of(program)
