"""An issuer with its join rules, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from certs.issuer.folder import OpenedIssuer, init, open_issuer
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock


@pytest.fixture
def opened(folder: Path, clock: ManualClock) -> Iterator[OpenedIssuer]:
    init(folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    opened = open_issuer(folder)
    yield opened
    opened.service.close()
