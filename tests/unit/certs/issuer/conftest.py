"""An issuer for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from certs.issuer.service import IssuerService
from tests.fakes.issuer import ManualClock, make_issuer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "issuer"


@pytest.fixture
def service(folder: Path, clock: ManualClock) -> Iterator[IssuerService]:
    service = make_issuer(folder, clock)
    yield service
    service.close()
