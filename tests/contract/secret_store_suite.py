"""What every `SecretStore` must do; a store's own test class inherits it and gives the fixture."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path

import pytest

from identity.errors import InvalidSecretName, InvalidSecretValue, SecretNotFound
from identity.secret_stores.base import MAX_VALUE_BYTES, Secret, SecretRef, SecretStore

TOKEN = SecretRef("acme", "planner-token")

VALUES = {
    "short": "x",
    "one shard": "a" * 998,
    "just over one shard": "a" * 999,
    "60,000 characters": "0123456789" * 6000,
    "as long as allowed": "z" * MAX_VALUE_BYTES,
    "beyond the basic plane": "🗝" * 3000 + "é" * 999,
    "lines, quotes, blanks": " a\r\nb\t\"'\\ {secret:x}\n",
    "byte order mark first": "\ufeffvalue",
    "like a head": '1#{"generation": "00", "count": 1, "sha256": ""}',
    "like a shard": "1-value",
    "combining marks": "e\u0301 \u1e9b\u0323",
}


class SecretStoreSuite:
    """Inherit, and give a fixture `store` that is empty for the projects acme and other."""

    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
    async def test_gives_back_what_was_set(self, store: SecretStore, value: str) -> None:
        await store.set(TOKEN, Secret(value))
        assert (await store.get(TOKEN)).reveal() == value

    async def test_replaces_long_by_short_and_back(self, store: SecretStore) -> None:
        for value in ("l" * 5000, "short", "m" * 7000, "n" * 3000):
            await store.set(TOKEN, Secret(value))
            assert (await store.get(TOKEN)).reveal() == value

    @pytest.mark.parametrize(
        "value",
        ["", "a\0b", "\ud800", "z" * (MAX_VALUE_BYTES + 1), "é" * (MAX_VALUE_BYTES // 2 + 1)],
        ids=["empty", "NUL", "lone surrogate", "too long", "too long in bytes"],
    )
    async def test_refuses_a_value_and_keeps_the_old(self, store: SecretStore, value: str) -> None:
        await store.set(TOKEN, Secret("old"))
        with pytest.raises(InvalidSecretValue) as refused:
            await store.set(TOKEN, Secret(value))
        assert len(str(refused.value)) < 100
        assert (await store.get(TOKEN)).reveal() == "old"

    async def test_a_missing_secret_is_named(self, store: SecretStore) -> None:
        with pytest.raises(SecretNotFound, match="acme/planner-token"):
            await store.get(TOKEN)
        with pytest.raises(SecretNotFound, match="acme/planner-token"):
            await store.delete(TOKEN)

    async def test_deletes_for_good(self, store: SecretStore) -> None:
        await store.set(TOKEN, Secret("v" * 3000))
        await store.delete(TOKEN)
        with pytest.raises(SecretNotFound):
            await store.get(TOKEN)
        assert await store.names("acme") == []

    async def test_lists_names_sorted_without_values(self, store: SecretStore) -> None:
        for name in ("b", "a", "C.d_e-f"):
            await store.set(SecretRef("acme", name), Secret("canary"))
        names = await store.names("acme")
        assert names == sorted(["a", "b", "C.d_e-f"])
        await store.delete(SecretRef("acme", "b"))
        assert await store.names("acme") == sorted(["a", "C.d_e-f"])

    async def test_lists_more_names_than_an_item_holds(self, store: SecretStore) -> None:
        names = [f"{'long-name-' * 12}{number:03}" for number in range(12)]
        for name in names:
            await store.set(SecretRef("acme", name), Secret("v"))
        assert await store.names("acme") == names

    async def test_names_differ_by_case(self, store: SecretStore) -> None:
        await store.set(SecretRef("acme", "Token"), Secret("capital"))
        await store.set(SecretRef("acme", "token"), Secret("small"))
        assert (await store.get(SecretRef("acme", "Token"))).reveal() == "capital"
        assert (await store.get(SecretRef("acme", "token"))).reveal() == "small"

    async def test_projects_are_apart(self, store: SecretStore) -> None:
        await store.set(TOKEN, Secret("acme's"))
        with pytest.raises(SecretNotFound):
            await store.get(SecretRef("other", "planner-token"))
        with pytest.raises(SecretNotFound):
            await store.delete(SecretRef("other", "planner-token"))
        assert await store.names("other") == []
        await store.set(SecretRef("other", "planner-token"), Secret("other's"))
        assert (await store.get(TOKEN)).reveal() == "acme's"

    @pytest.mark.parametrize("project", ["", "..", "acme/other", "ACME", "a b", "acme\n"])
    async def test_refuses_a_project_that_reaches_elsewhere(
        self, store: SecretStore, project: str
    ) -> None:
        with pytest.raises(InvalidSecretName):
            await store.names(project)

    async def test_calls_may_be_made_at_once(self, store: SecretStore) -> None:
        refs = [SecretRef("acme", f"s{number}") for number in range(5)]
        await asyncio.gather(*(store.set(ref, Secret(str(ref) * 300)) for ref in refs))
        values = await asyncio.gather(*(store.get(ref) for ref in refs))
        assert [value.reveal() for value in values] == [str(ref) * 300 for ref in refs]
        assert await store.names("acme") == [ref.name for ref in refs]

    async def test_is_usable_again_after_close(self, store: SecretStore) -> None:
        await store.set(TOKEN, Secret("kept"))
        await store.close()
        assert (await store.get(TOKEN)).reveal() == "kept"

    async def test_no_error_shows_the_value(self, store: SecretStore) -> None:
        canary = "canary".upper()
        with pytest.raises(InvalidSecretValue) as refused:
            await store.set(TOKEN, Secret(canary + "\0"))
        assert canary not in "".join(traceback.format_exception(refused.value))
        assert canary not in repr(vars(refused.value))


def processes_showing(text: str) -> list[int]:
    """The processes of this machine that show `text` in their arguments or environment."""
    shown = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:
                continue
            if text.encode() in seen:
                shown.append(int(process.name))
    return shown
