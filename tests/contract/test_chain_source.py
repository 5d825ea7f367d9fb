"""A chain keeps the contract of identity sources, with its first source dead."""

from __future__ import annotations

from pathlib import Path

import pytest

from certs.sources.chain import ChainSource
from certs.sources.files import FilesSource
from tests.contract.identity_source_suite import IdentitySourceContract
from tests.contract.test_files_source import FilesStage


class Elsewhere(FilesSource):
    """Files under another name."""

    name = "elsewhere"


class ChainStage(FilesStage):
    """Behind a source whose files aren't there, the stage of files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        absent = folder / "absent"
        self.source = ChainSource([Elsewhere(absent, absent, absent), self.source])


class TestChainSource(IdentitySourceContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> ChainStage:
        folder = tmp_path / "identity"
        folder.mkdir(mode=0o700)
        return ChainStage(folder)
