"""A SPIFFE Workload API served by the official protobufs and grpc-go, with SVIDs made here."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certs import keys
from identity.endpoint import Endpoint, TcpEndpoint, UnixEndpoint
from tests.components import require_program
from tests.fakes.certificates import AGENT, Leaf, Signer, root, uri
from tests.fakes.gateway_process import DEADLINE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Svid:
    """What the agent hands out for one name; each thing can be spoilt."""

    spiffe_id: str = AGENT
    hint: str = ""
    chain: bytes = b""
    key: bytes = b""
    bundle: bytes = b""

    def as_json(self) -> dict[str, Any]:
        """As protobuf writes it in JSON."""
        return {
            "spiffeId": self.spiffe_id,
            "hint": self.hint,
            "x509Svid": base64.b64encode(self.chain).decode(),
            "x509SvidKey": base64.b64encode(self.key).decode(),
            "bundle": base64.b64encode(self.bundle).decode(),
        }


@dataclass(slots=True)
class Domain:
    """A trust domain's authorities: a root and an intermediate."""

    start: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=1))
    root: Signer = field(init=False)
    intermediate: Signer = field(init=False)

    def __post_init__(self) -> None:
        self.root = root("spire root", start=self.start)
        self.intermediate = self.root.authority(
            "spire", start=self.start, end=self.start + timedelta(days=300)
        )

    def svid(
        self, spiffe_id: str = AGENT, *, life: timedelta = timedelta(hours=1), hint: str = ""
    ) -> Svid:
        """A new key and leaf, as SPIRE makes them: back-dated by 10 s."""
        key, now = keys.generate(), datetime.now(UTC)
        leaf = self.intermediate.leaf(
            key,
            Leaf(
                names=[uri(spiffe_id)],
                not_before=now - timedelta(seconds=10),
                not_after=now + life,
            ),
        )
        return Svid(
            spiffe_id=spiffe_id,
            hint=hint,
            chain=_der(leaf) + _der(self.intermediate.certificate),
            key=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            bundle=_der(self.root.certificate),
        )


class WorkloadApi:
    """The server as a process. Without a state it says that no identity is issued."""

    def __init__(self, path: Path | None = None) -> None:
        self._program = require_program("workload-api")
        self._path = path
        self._process: subprocess.Popen[str] | None = None
        self.endpoint: Endpoint = UnixEndpoint(str(path)) if path else TcpEndpoint("127.0.0.1", 0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and return when it listens."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        address = ("unix", str(self._path)) if self._path else ("tcp", str(self.endpoint)[6:])
        self._process = subprocess.Popen(
            [str(self._program), *address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        verb, _, where = self._said().partition(" ")
        assert verb == "listening"
        if self._path is None:
            self.endpoint = TcpEndpoint("127.0.0.1", int(where.rpartition(":")[2]))

    def kill(self) -> None:
        """kill -9."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate(timeout=DEADLINE_S)

    def give(self, *svids: Svid, federated: Sequence[Signer] = ()) -> None:
        """Push these SVIDs to every open stream, and give them to new ones."""
        bundles = {
            f"spiffe://federated-{number}.example": base64.b64encode(
                _der(signer.certificate)
            ).decode()
            for number, signer in enumerate(federated)
        }
        document = {"svids": [svid.as_json() for svid in svids], "federatedBundles": bundles}
        self._tell("state", json.dumps(document))

    def fail(self, code: int) -> None:
        """End every stream with this status, and answer new ones so."""
        self._tell("fail", str(code))

    def _tell(self, verb: str, rest: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{verb} {rest}\n")
        self._process.stdin.flush()
        assert self._said() == verb

    def _said(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
