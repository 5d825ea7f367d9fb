"""gRPC's own interoperability tests pass through two gateways as they do without."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.components import require_program
from tests.fakes.two_gateways import two_gateways

pytestmark = [pytest.mark.program("grpc-interop"), pytest.mark.timeout(60)]
_CASES = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
]


@contextmanager
def interop_server() -> Iterator[int]:
    """The suite's server; its port."""
    command = [str(require_program("grpc-interop")), "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def test_each_passes(tmp_path: Path) -> None:
    with (
        interop_server() as port,
        two_gateways(tmp_path, port, protocol="tcp", alpn='alpn = ["h2"]', life_s=60) as both,
    ):
        done = subprocess.run(
            [str(require_program("grpc-interop")), "call", both.address],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.stdout.split() == _CASES, done.stderr
        assert done.returncode == 0
