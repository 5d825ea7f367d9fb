"""The step-ca source keeps the contract of identity sources, against the real step-ca."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from certs.clock import Clock, SystemClock
from certs.sources.step_ca import StepCaSource
from identity.secret_stores.base import Secret
from tests.contract.identity_source_suite import IdentitySourceContract
from tests.fakes.certificates import AGENT
from tests.fakes.step_ca import PROVISIONER, StepCa

pytestmark = pytest.mark.program("step-ca")


class StepCaStage:
    """A real step-ca on loopback; an outage is its end."""

    makes_new_keys = True

    def __init__(self, authority: StepCa) -> None:
        self.clock: Clock = SystemClock()
        self._authority = authority
        self.source = StepCaSource(
            url=authority.url,
            fingerprint=authority.fingerprint,
            spiffe_id=AGENT,
            provisioner=PROVISIONER,
            read_credential=self._key,
            clock=self.clock,
        )

    async def _key(self) -> Secret:
        return Secret(json.dumps(self._authority.provisioner_jwk))

    async def prepare_next(self) -> None:
        """The CA always has a newer one."""

    async def break_off(self) -> None:
        await asyncio.to_thread(self._authority.kill)

    async def mend(self) -> None:
        await asyncio.to_thread(self._authority.start)


class TestStepCaSource(IdentitySourceContract):
    @pytest.fixture
    async def stage(self, tmp_path: Path) -> AsyncIterator[StepCaStage]:
        with StepCa(tmp_path / "step-ca") as authority:
            await asyncio.to_thread(authority.start)
            yield StepCaStage(authority)
