"""A real step-ca: its root, intermediate and configuration are made here, `step` isn't needed."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs import keys
from tests.components import require_program
from tests.fakes.certificates import Signer, root, to_pem
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.stack import free_port

PROVISIONER = "dev"


def jwk_of(key: ec.EllipticCurvePrivateKey, key_id: str = "") -> dict[str, Any]:
    """The private JWK of a key."""
    document = jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True)
    return document | ({"kid": key_id} if key_id else {})


class StepCa:
    """`step-ca` on a port that stays the same when it is started again.

    Attributes:
        provisioner_jwk: the private key of the JWK provisioner `PROVISIONER`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        life_s: int = 3600,
        provisioners: list[Mapping[str, Any]] | None = None,
    ) -> None:
        self._program = require_program("step-ca")
        self._folder = folder
        self._life_s = life_s
        self._more = provisioners or []
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.provisioner_jwk = jwk_of(keys.generate(), "key-1")
        folder.mkdir()
        self.make_authorities()
        self.configure()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def make_authorities(self) -> None:
        """A new root and intermediate; for a CA that isn't running."""
        start = datetime.now(UTC) - timedelta(days=1)
        self.root: Signer = root("step root", start=start)
        end = start + timedelta(days=300)
        intermediate = self.root.authority("step intermediate", start=start, end=end)
        der = self.root.certificate.public_bytes(Encoding.DER)
        self.fingerprint = hashlib.sha256(der).hexdigest()
        (self._folder / "root.pem").write_bytes(self.root.pem)
        (self._folder / "intermediate.pem").write_bytes(to_pem(intermediate.certificate))
        (self._folder / "intermediate.key").write_bytes(keys.to_pem(intermediate.key))

    def configure(self) -> None:
        """Write its configuration; for a CA that isn't running."""
        public = {name: value for name, value in self.provisioner_jwk.items() if name != "d"}
        claims = {
            "minTLSCertDuration": "1s",
            "defaultTLSCertDuration": f"{self._life_s}s",
            "allowRenewalAfterExpiry": True,
        }
        jwk = {"type": "JWK", "name": PROVISIONER, "key": public, "claims": claims}
        document = {
            "root": str(self._folder / "root.pem"),
            "crt": str(self._folder / "intermediate.pem"),
            "key": str(self._folder / "intermediate.key"),
            "address": f"127.0.0.1:{self.port}",
            "dnsNames": ["127.0.0.1"],
            "logger": {"format": "text"},
            "db": {"type": "badgerv2", "dataSource": str(self._folder / "db")},
            "authority": {"provisioners": [jwk, *self._more], "claims": claims},
        }
        (self._folder / "ca.json").write_text(json.dumps(document))

    def start(self) -> None:
        """Start it, and return when it listens."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, self._folder / "ca.json"],
                stdout=log,
                stderr=log,
                env={"STEPPATH": str(self._folder)},
            )
        deadline = time.monotonic() + DEADLINE_S
        while not self._is_listening():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
            self._process = None

    def said(self) -> str:
        """Its log so far."""
        return (self._folder / "log").read_text()

    def _is_listening(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False
