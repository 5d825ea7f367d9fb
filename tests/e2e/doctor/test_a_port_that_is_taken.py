"""An address that another program has is named with that program."""

from __future__ import annotations

import os
import socket

from tests.e2e.doctor.conftest import doctor
from tests.fakes.gateway_process import GatewayProcess


def test_by_whom(gateway: GatewayProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        gateway.configure(listen=f"127.0.0.1:{port}")
        report = doctor(gateway)
    callers = report.at("callers")
    assert callers["result"] == "fail"
    assert f"127.0.0.1:{port} is taken by " in callers["detail"]
    assert f"(pid {os.getpid()})" in callers["detail"]
    # Nothing else depends on it.
    assert report.at("http")["result"] == "pass"
