"""A real issuer in a temporary folder, with the clock and the randomness in the test's hands."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs import keys
from certs.generation import Generation
from certs.issuer.folder import init, open_issuer
from certs.issuer.http import IssuerServer
from certs.issuer.one_time_tokens import Grant
from certs.issuer.service import IssuerService
from certs.issuer.signing import Issued
from certs.sources.base import Identity
from certs.sources.credential import ReadCredential
from certs.sources.issuer import IssuerSource
from identity.secret_stores.base import Secret

PROJECT = Path(__file__).parents[2]
TRUST_DOMAIN = "acme.example"
PLANNER = f"spiffe://{TRUST_DOMAIN}/agent/planner"


class ManualClock:
    """A wall clock that moves when it is told to."""

    def __init__(self, now: datetime | None = None) -> None:
        self.time = now or datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def pass_by(self, span: timedelta) -> None:
        self.time += span


def make_issuer(
    folder: Path, clock: ManualClock, *, leaf_life: timedelta = timedelta(hours=1)
) -> IssuerService:
    """A new issuer, opened; the caller closes it."""
    init(folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    return open_issuer(folder, leaf_life=leaf_life).service


def new_token(service: IssuerService, clock: ManualClock, **grant: Any) -> Secret:
    """The text of a new token for the planner."""
    return service.make_token(Grant(**({"workload": "planner"} | grant)), clock.now()).text


def leaf_of(issued: Issued) -> x509.Certificate:
    """The certificate that was issued."""
    return x509.load_pem_x509_certificates(issued.chain_pem)[0]


def leaf_der(issued: Issued) -> bytes:
    """The certificate as a TLS handshake shows it."""
    return leaf_of(issued).public_bytes(serialization.Encoding.DER)


def audit_lines(folder: Path) -> list[dict[str, Any]]:
    """The issuer's audit file, line by line."""
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def generation_from(issued: Issued, key: keys.PrivateKey) -> Generation:
    """What was issued for a key, as the rotation publishes it."""
    leaf = leaf_of(issued)
    return Generation(
        number=1,
        source="issuer",
        key_pem=keys.to_pem(key),
        chain_pem=issued.chain_pem,
        bundle_pem=issued.bundle.pem,
        spiffe_id=issued.spiffe_id,
        dns_names=(),
        serial=f"{leaf.serial_number:x}",
        issuer="",
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def generation_of(identity: Identity, number: int = 1) -> Generation:
    """An identity as the rotation publishes it."""
    kept = {item.name for item in fields(Generation)} - {"number", "source"}
    values = {name: getattr(identity, name) for name in kept}
    return Generation(number=number, source="issuer", **values)


def reader_of(secret: Secret) -> ReadCredential:
    """Reads a credential that is known."""

    async def read() -> Secret:
        return secret

    return read


async def joining(server: IssuerServer, clock: ManualClock, **options: Any) -> IssuerSource:
    """A source with a fresh one-time token."""
    token = (await server.make_token(Grant(workload="planner"))).text
    values: dict[str, Any] = {
        "url": server.url,
        "ca_pin": server.ca_pin,
        "read_token": reader_of(token),
        "clock": clock,
    }
    return IssuerSource(**(values | options))
