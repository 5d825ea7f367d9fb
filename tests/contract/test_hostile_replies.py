"""Identity sources on the same machine against a far side that turned hostile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certs import keys
from certs.sources.chain import ChainSource
from certs.sources.files import FilesSource
from certs.sources.spiffe import SpiffeSource
from tests.contract.hostile_replies_suite import HostileRepliesContract
from tests.fakes.certificates import AGENT, root
from tests.fakes.hostile_leaves import chain_of
from tests.fakes.workload_api import Svid, WorkloadApi


class FilesImpostor:
    """Whoever writes the files."""

    judges_life = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = root(start=datetime.now(UTC) - timedelta(days=1))
        self.source: Any = FilesSource(
            folder / "client.crt", folder / "client.key", folder / "ca.pem", spiffe_id=AGENT
        )

    async def pose(self, name: str) -> None:
        key = keys.generate()
        chain = chain_of(name, self._root, key, datetime.now(UTC))
        for file, data in (
            ("client.crt", chain),
            ("client.key", keys.to_pem(key)),
            ("ca.pem", self._root.pem),
        ):
            (self._folder / file).touch(mode=0o600)
            (self._folder / file).write_bytes(data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "identity"
    made.mkdir(mode=0o700)
    return made


class TestFiles(HostileRepliesContract):
    @pytest.fixture
    def impostor(self, folder: Path) -> FilesImpostor:
        return FilesImpostor(folder)


class TestChain(HostileRepliesContract):
    @pytest.fixture
    def impostor(self, folder: Path) -> FilesImpostor:
        made = FilesImpostor(folder)
        made.source = ChainSource([made.source])
        return made


class SpiffeImpostor:
    """An agent on the same machine, or its server."""

    judges_life = False

    def __init__(self, api: WorkloadApi) -> None:
        self._api = api
        self._root = root(start=datetime.now(UTC) - timedelta(days=1))
        self.source = SpiffeSource(api.endpoint, spiffe_id=AGENT)

    async def pose(self, name: str) -> None:
        key = keys.generate()
        pem = chain_of(name, self._root, key, datetime.now(UTC))
        self._api.give(
            Svid(
                chain=_as_der(pem),
                key=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
                bundle=_as_der(self._root.pem),
            )
        )


def _as_der(pem: bytes) -> bytes:
    if b"BEGIN" not in pem:
        return pem
    return b"".join(
        item.public_bytes(Encoding.DER) for item in x509.load_pem_x509_certificates(pem)
    )


@pytest.mark.program("workload-api")
class TestSpiffe(HostileRepliesContract):
    @pytest.fixture
    async def impostor(self, tmp_path: Path) -> AsyncIterator[SpiffeImpostor]:
        with WorkloadApi(tmp_path / "api.sock") as api:
            made = SpiffeImpostor(api)
            yield made
            await made.source.close()
