"""A rotation that is cut off before or after any of its effects, any number of times, in any order
of going on, undoing and waiting.

The model: the provider's keys. Whatever happens, the value in use is one that the provider takes,
no key of ours is left over at the end, and no value is in a record.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.audit.fingerprint import Fingerprints
from gateway.audit.journal import Journal
from gateway.config.rotate_model import RotateConfig
from gateway.errors import GatewayError
from gateway.rotation.book import Book
from gateway.rotation.engine import Rotator, Tools
from gateway.rotation.record import Rotation
from identity.errors import IdentityError, TokenUnavailable
from identity.rotation.base import Created, Provider
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.property.effort import effort

WANTED = RotateConfig(name="key", provider="exec", secret="key", grace_s=60.0)
REF = SecretRef("acme", "key")
_Result = TypeVar("_Result")


class Killed(BaseException):
    """The process ends here."""


class Fate:
    """Decides at each effect whether the process is killed before or after it, or it fails."""

    def __init__(self) -> None:
        self.left = -1
        self.mode = "before"

    def before(self) -> None:
        if self.left == 0 and self.mode != "after":
            self.left = -1
            if self.mode == "fails":
                raise TokenUnavailable("503")
            raise Killed
        self.left -= self.left > 0 and self.mode != "after"

    def after(self, result: _Result) -> _Result:
        if self.mode == "after":
            if self.left == 0:
                self.left = -1
                raise Killed
            self.left -= self.left > 0
        return result


class FatefulStore(MemoryStore):
    """What it was told to keep survives."""

    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self._fate = fate

    async def set(self, ref: SecretRef, value: Secret) -> None:
        self._fate.before()
        await super().set(ref, value)
        self._fate.after(None)

    async def delete(self, ref: SecretRef) -> None:
        self._fate.before()
        await super().delete(ref)
        self._fate.after(None)


class FatefulBook(Book):
    """Records that are written whole or not at all."""

    def __init__(self, state: Path, fate: Fate) -> None:
        super().__init__(state)
        self._fate = fate

    def write(self, rotation: Rotation) -> None:
        self._fate.before()
        super().write(rotation)
        self._fate.after(None)


class Keys:
    """A provider; a key that isn't good may neither make nor end others, nor end itself."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self._numbers = itertools.count(1)
        self.good: dict[str, tuple[str, str]] = {"k0": ("canary-0", "by hand")}

    def _needs(self, by: Secret | None) -> str:
        assert by is not None
        values = [value for value, _ in self.good.values()]
        assert by.reveal() in values, "asked with a key that is not good"
        return by.reveal()

    async def current(self, value: Secret | None) -> str:
        assert value is not None
        return next(key for key, (known, _) in self.good.items() if known == value.reveal())

    async def create(self, tag: str, by: Secret | None) -> Created:
        self._needs(by)
        assert tag not in [made for _, made in self.good.values()], "made a second key"
        self._fate.before()
        number = next(self._numbers)
        self.good[f"k{number}"] = (f"canary-{number}", tag)
        return self._fate.after(Created(key=f"k{number}", value=Secret(f"canary-{number}")))

    async def tagged(self, tag: str, by: Secret | None) -> list[str]:
        self._needs(by)
        return [key for key, (_, made) in self.good.items() if made == tag]

    async def revoke(self, key: str, value: Secret | None, by: Secret | None) -> None:
        used = self._needs(by)
        assert self.good.get(key, ("",))[0] != used, "a key ended itself"
        self._fate.before()
        self.good.pop(key, None)
        self._fate.after(None)

    async def check(self, value: Secret) -> None:
        self._needs(value)
        self._fate.before()


class AnyOrder(RuleBasedStateMachine):
    """Begins, kills, goes on, undoes and waits."""

    @initialize()
    def begin(self) -> None:
        self._folder = Path(tempfile.mkdtemp())
        self._now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self._fate = Fate()
        self._store = FatefulStore(self._fate)
        self._keys = Keys(self._fate)
        self._book = FatefulBook(self._folder, self._fate)
        self._ids = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._store.set(REF, Secret("canary-0")))

    def teardown(self) -> None:
        if hasattr(self, "_loop"):
            self._finish()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
            shutil.rmtree(self._folder)

    def _rotator(self) -> Rotator:
        """A process of its own each time."""

        async def tell(_secret: str) -> None:
            self._fate.before()

        provider = Provider(remote=self._keys, checks=(self._keys.check,))
        tools = Tools(
            project="acme",
            store=self._store,
            journal=Journal(self._folder / "audit.jsonl", project="acme"),
            fingerprints=Fingerprints(self._folder),
            book=self._book,
            open_provider=lambda *_: provider,
            now=lambda: self._now,
            new_id=lambda: f"{next(self._ids):04x}",
            tell=tell,
        )
        return Rotator(tools)

    def _do(self, action: str) -> None:
        rotator = self._rotator()
        actions = {
            "start": lambda: rotator.start(WANTED),
            "resume": lambda: rotator.resume(WANTED),
            "keeper": lambda: rotator.resume(WANTED, asked=False),
            "rollback": lambda: rotator.roll_back(WANTED),
        }
        try:
            self._loop.run_until_complete(actions[action]())
        except (Killed, GatewayError, IdentityError):
            pass
        finally:
            self._fate.left = -1

    @rule(
        action=st.sampled_from(["start", "resume", "keeper", "rollback"]),
        effect=st.integers(-1, 14),
        mode=st.sampled_from(["before", "after", "fails"]),
    )
    def act(self, action: str, effect: int, mode: str) -> None:
        self._fate.left, self._fate.mode = effect, mode
        self._do(action)

    @rule(seconds=st.integers(1, 120))
    def wait(self, seconds: int) -> None:
        self._now += timedelta(seconds=seconds)

    def _current(self) -> str:
        return self._loop.run_until_complete(self._store.get(REF)).reveal()

    @invariant()
    def what_is_in_use_is_good(self) -> None:
        if hasattr(self, "_keys"):
            assert self._current() in [value for value, _ in self._keys.good.values()]

    @invariant()
    def no_value_is_on_record(self) -> None:
        if hasattr(self, "_folder"):
            for path in self._folder.rglob("*"):
                assert not path.is_file() or b"canary" not in path.read_bytes()

    def _finish(self) -> None:
        """Left alone, it comes to an end that leaves one key and no value behind."""
        for _ in range(3):
            self._now += timedelta(hours=1)
            self._do("resume")
        last = self._book.read("key")
        assert last is None or last.is_over, last
        assert [value for value, _ in self._keys.good.values()] == [self._current()]
        names = self._loop.run_until_complete(self._store.names("acme"))
        assert names == ["key"]


AnyOrder.TestCase.settings = effort(30)
TestAnyOrder = AnyOrder.TestCase
