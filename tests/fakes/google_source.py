"""The source for Google's workload identity federation, with google-auth between the stand-ins."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.sources.google_wif import CaPool, GoogleWifSource
from tests.fakes.certificates import AGENT
from tests.fakes.google_cloud import AUDIENCE, POOL, GoogleCloud
from tests.fakes.oidc_provider import OidcProvider


def source_by_file(folder: Path, cloud: GoogleCloud) -> GoogleWifSource:
    """One whose token is in a file of `folder`."""
    provider = OidcProvider()
    provider.close()
    cloud.jwks, cloud.issuer = provider.jwks, provider.issuer
    now = datetime.now(UTC)
    token = provider.token(sub="agent:laptop", aud=AUDIENCE, iat=now, exp=now + timedelta(hours=1))
    (folder / "token").write_text(token)
    file = folder / "external-account.json"
    file.write_text(json.dumps(cloud.credentials({"file": str(folder / "token")})))
    return GoogleWifSource(
        pool=CaPool(url=cloud.url, name=POOL, subject_mode="REFLECTED_SPIFFE", lifetime_s=3600),
        credential_file=file,
        spiffe_id=AGENT,
        allowed_hosts=frozenset({cloud.host}),
        ca_file=cloud.ca_file,
    )
