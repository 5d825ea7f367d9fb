"""`identity device-key` makes the key once, in the keychain, and prints its public half alone."""

from __future__ import annotations

import subprocess

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.e2e.keychain.conftest import COMMAND, Desktop


def shown(desktop: Desktop) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, "identity", "device-key", "laptop-key"],
        cwd=desktop.folder,
        env=desktop.env,
        capture_output=True,
        timeout=30,
        check=False,
    )


def test_it_is_made_once(desktop: Desktop) -> None:
    first = shown(desktop)
    assert first.returncode == 0, first.stderr
    assert isinstance(load_pem_public_key(first.stdout), EllipticCurvePublicKey)
    assert b"made the key acme/laptop-key" in first.stderr
    again = shown(desktop)
    assert (again.stdout, again.stderr) == (first.stdout, b"")
    assert b"PRIVATE" not in first.stdout + first.stderr
    kept = desktop.secret("get", "laptop-key", "--show")
    assert b"BEGIN PRIVATE KEY" in kept.stdout
