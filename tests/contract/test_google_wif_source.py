"""The google-wif source keeps the contract of identity sources, against stand-ins that verify."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.clock import Clock, SystemClock
from certs.sources.google_wif import CaPool, GoogleWifSource
from tests.contract.identity_source_suite import IdentitySourceContract
from tests.fakes.certificates import AGENT
from tests.fakes.google_cloud import AUDIENCE, POOL, Fault, GoogleCloud
from tests.fakes.oidc_provider import OidcProvider


class GoogleWifStage:
    """The real google-auth between a file with a token and the stand-ins; an outage is theirs."""

    makes_new_keys = True

    def __init__(self, folder: Path, cloud: GoogleCloud) -> None:
        self.clock: Clock = SystemClock()
        self._cloud = cloud
        provider = OidcProvider()
        provider.close()
        cloud.jwks, cloud.issuer = provider.jwks, provider.issuer
        now = datetime.now(UTC)
        token = provider.token(
            sub="agent:laptop", aud=AUDIENCE, iat=now, exp=now + timedelta(hours=1)
        )
        (folder / "token").write_text(token)
        file = folder / "external-account.json"
        file.write_text(json.dumps(cloud.credentials({"file": str(folder / "token")})))
        self.source = GoogleWifSource(
            pool=CaPool(url=cloud.url, name=POOL, subject_mode="REFLECTED_SPIFFE", lifetime_s=3600),
            credential_file=file,
            spiffe_id=AGENT,
            allowed_hosts=frozenset({cloud.host}),
            ca_file=cloud.ca_file,
            clock=self.clock,
        )

    async def prepare_next(self) -> None:
        """The service always has a newer one."""

    async def break_off(self) -> None:
        self._cloud.fault = Fault("", status=503)

    async def mend(self) -> None:
        self._cloud.fault = None


class TestGoogleWifSource(IdentitySourceContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[GoogleWifStage]:
        with GoogleCloud(tmp_path) as cloud:
            yield GoogleWifStage(tmp_path, cloud)
