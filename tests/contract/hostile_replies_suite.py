"""What no identity source may take from whoever answers it, whatever it speaks.

A test module derives from `HostileRepliesContract` and gives a fixture `impostor`. Each source then
meets the whole corpus of `tests.fakes.hostile_leaves`, as its first answer and as a renewal's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

import pytest

from certs import keys
from certs.errors import ReplyRejected, SourceUnavailable
from certs.sources.base import IdentitySource
from tests.contract.identity_source_suite import generation
from tests.fakes.certificates import AGENT, root
from tests.fakes.hostile_leaves import hostile_chains

CORPUS = [name for name, _ in hostile_chains(root(), keys.generate(), datetime.now(UTC))]
#: Sources that take what a person or an agent on the same machine puts there leave its life alone.
LIVES = {"ten years", "one second"}


class Impostor(Protocol):
    """The far side that a source for `AGENT` believes in, and which may turn.

    Attributes:
        judges_life: whether the source has bounds on lives; else they are the far side's to choose.
    """

    source: IdentitySource
    judges_life: bool

    async def pose(self, name: str) -> None:
        """Answer with this entry of the corpus from now on; honestly for ""."""
        ...


class OverHttp(Impostor, Protocol):
    """One that speaks JSON over HTTP."""

    async def repeat_a_member(self) -> None:
        """Answer honestly, but with one member of the JSON there twice."""
        ...

    async def throttle(self, seconds: int) -> None:
        """Answer 429 with this Retry-After."""
        ...


class HostileRepliesContract:
    """Derive from it and give a fixture `impostor`."""

    @pytest.mark.parametrize("name", CORPUS)
    async def test_it_is_no_first_identity(self, impostor: Impostor, name: str) -> None:
        await impostor.pose(name)
        if name in LIVES and not impostor.judges_life:
            assert (await impostor.source.obtain(None)).spiffe_id == AGENT
            return
        with pytest.raises(ReplyRejected) as caught:
            await impostor.source.obtain(None)
        assert str(caught.value)
        assert "MII" not in str(caught.value) + caught.value.hint
        await impostor.pose("")
        assert (await impostor.source.obtain(None)).spiffe_id == AGENT

    @pytest.mark.parametrize("name", CORPUS)
    async def test_it_replaces_no_good_identity(self, impostor: Impostor, name: str) -> None:
        await impostor.pose("")
        first = await impostor.source.obtain(None)
        current = generation(first, impostor.source)
        await impostor.pose(name)
        if name not in LIVES or impostor.judges_life:
            with pytest.raises(ReplyRejected):
                await impostor.source.obtain(current)
        await impostor.pose("")
        again = await impostor.source.obtain(current)
        assert (again.spiffe_id, again.serial == first.serial) == (AGENT, False)


class HttpRepliesContract:
    """For sources over HTTP, beside `HostileRepliesContract`."""

    async def test_a_member_that_is_there_twice_is_refused(self, impostor: OverHttp) -> None:
        await impostor.repeat_a_member()
        with pytest.raises(ReplyRejected):
            await impostor.source.obtain(None)

    async def test_a_wish_to_wait_is_passed_on(self, impostor: OverHttp) -> None:
        await impostor.throttle(7)
        with pytest.raises(SourceUnavailable) as caught:
            await impostor.source.obtain(None)
        assert caught.value.retry_after_s == 7

    async def test_the_skew_of_the_clocks_is_known(self, impostor: OverHttp) -> None:
        await impostor.pose("")
        assert impostor.source.clock_skew_s is None
        await impostor.source.obtain(None)
        assert impostor.source.clock_skew_s is not None
        assert abs(impostor.source.clock_skew_s) < 30
