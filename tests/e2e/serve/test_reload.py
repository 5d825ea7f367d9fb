"""SIGHUP takes the file in again; a bad one changes nothing and says why."""

from __future__ import annotations

import signal

from tests.fakes.gateway_process import GatewayProcess


def test_a_new_route_appears_and_the_log_is_opened_again(gateway: GatewayProcess) -> None:
    gateway.start()
    before = gateway.until_ready()
    extra = """
[[routes]]
name = "writer"
listen = "unix:writer.sock"
upstream = "https://localhost:1"
peer = ["dns:localhost"]
"""
    gateway.configure(more=extra)
    (gateway.folder / "gw.log").rename(gateway.folder / "gw.log.1")
    gateway.signal(signal.SIGHUP)
    after = gateway.until(lambda body: len(body["routes"]) == 2)
    assert after["routes"][0]["listeners"] == before["routes"][0]["listeners"]
    assert after["workers"][0]["pid"] == before["workers"][0]["pid"]
    assert (gateway.folder / "writer.sock").is_socket()
    assert gateway.request("POST", body=b"hello") == (200, b"hello")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait()[0] == 0
    assert any(line.get("event") == "reloaded" for line in gateway.log())


def test_a_broken_file_changes_nothing_and_says_why(gateway: GatewayProcess) -> None:
    gateway.start()
    gateway.until_ready()
    gateway.configure("project = \n")
    gateway.signal(signal.SIGHUP)
    body = gateway.until(lambda body: body["state"] == "degraded")
    assert "the last reload was refused" in body["reasons"][0]
    assert gateway.request("POST", body=b"hello") == (200, b"hello")
    code, reply = gateway.ask("POST", "/reload")
    assert code == 409
    assert reply["problems"]
    gateway.configure()
    assert gateway.ask("POST", "/reload") == (200, {"ok": True})
    assert gateway.status()["state"] == "ready"
