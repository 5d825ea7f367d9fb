"""A process that rotates a key of a LangSmith stand-in, and may be killed on the way.

    python -m tests.fakes.rotation_process FOLDER URL ACTION [PHASE]

ACTION is start, resume or rollback. With PHASE it kills itself once that phase is on the disk; with
"PHASE-" just before. The store is the folder `store`. The last phase is printed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from gateway.audit.journal import Journal
from gateway.config.rotate_model import LangSmithKeyConfig, RotateConfig
from gateway.rotation.book import Book
from gateway.rotation.desk import Desk
from gateway.rotation.record import Rotation
from identity.errors import SecretNotFound
from identity.secret_stores.base import SecretRef
from tests.fakes import configs
from tests.fakes.session_process import FolderStore


class EmptyingStore(FolderStore):
    """Forgets as well."""

    async def delete(self, ref: SecretRef) -> None:
        try:
            (self._folder / ref.name).unlink()
        except FileNotFoundError:
            raise SecretNotFound("not set") from None


def deadly(write: Callable[[Book, Rotation], None], at: str) -> Callable[[Book, Rotation], None]:
    """The same, but the process ends when the phase `at` is written."""

    def written(book: Book, rotation: Rotation) -> None:
        if at == f"{rotation.phase}-":
            os.kill(os.getpid(), signal.SIGKILL)
        write(book, rotation)
        if at == rotation.phase:
            os.kill(os.getpid(), signal.SIGKILL)

    return written


def desk(folder: Path, url: str) -> Desk:
    """One rotation, without a grace."""
    keys = LangSmithKeyConfig(
        endpoint=url, sort="workspace", workspace="", organization="", admin_secret="",
        expires_s=None,
    )  # fmt: skip
    wanted = RotateConfig(
        name="key", provider="langsmith", secret="key", grace_s=0.0, langsmith=keys
    )

    async def tell(_secret: str) -> None:
        """Nobody listens."""

    return Desk(
        config=configs.config(folder, rotations=(wanted,)),
        store=EmptyingStore(folder / "store"),
        journal=Journal(folder / "state" / "audit.jsonl", project="acme"),
        env={},
        tell=tell,
    )


async def main(folder: str, url: str, action: str, at: str = "") -> None:
    """Make the steps, and print how far it came."""
    Book.write = deadly(Book.write, at)  # type: ignore[assignment, method-assign]
    made = desk(Path(folder), url)
    if action == "start":
        rotation = await made.start("key", typed=None)
    elif action == "resume":
        rotation = await made.resume("key")
    else:
        rotation = await made.roll_back("key")
    sys.stdout.write(f"{rotation.phase} {rotation.error}".strip() + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
