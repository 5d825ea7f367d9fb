"""A port that is taken ends the start with the address, the remedy and nothing left behind."""

from __future__ import annotations

import socket

from tests.fakes.gateway_process import GatewayProcess


def test_the_address_is_named(gateway: GatewayProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway.configure(listen=f"127.0.0.1:{port}")
        gateway.start()
        code, out, err = gateway.wait()
    assert (code, out) == (1, "")
    assert f"can't listen on 127.0.0.1:{port}: address already in use" in err
    assert "hint:" in err
    assert "Traceback" not in err
    assert not (gateway.folder / "admin.sock").exists()


def test_a_second_gateway_with_the_same_file_is_refused(gateway: GatewayProcess) -> None:
    gateway.start()
    gateway.until_ready()
    first = gateway.pid
    with gateway.another() as second:
        second.start()
        code, _, err = second.wait()
    assert code == 1
    assert "another program answers on" in err
    assert gateway.status()["pid"] == first
