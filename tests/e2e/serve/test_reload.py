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
listen = "127.0.0.1:0"
upstream = "https://localhost:1"
peer = ["dns:localhost"]
"""
    gateway.configure(more=extra)
    (gateway.folder / "gw.log").rename(gateway.folder / "gw.log.1")
    gateway.signal(signal.SIGHUP)
    after = gateway.until(lambda body: len(body["routes"]) == 2)
    assert after["routes"][0]["listeners"] == before["routes"][0]["listeners"]
    assert after["workers"][0]["pid"] == before["workers"][0]["pid"]
    assert after["routes"][1]["listeners"] != after["routes"][0]["listeners"]
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


def test_the_command_says_where_a_file_is_no_toml(gateway: GatewayProcess) -> None:
    gateway.start()
    gateway.until_ready()
    good = gateway.config.read_text()
    gateway.write_config("project = acme\n" + good)
    refused = gateway.command("reload")
    assert refused.returncode == 1
    assert "line 1, column 11: not TOML: invalid value" in refused.stderr
    assert "the gateway goes on with the configuration that it had" in refused.stderr
    # Even where the file doesn't say any more on which socket the gateway listens.
    gateway.write_config(good.replace('"unix:admin.sock"', '"unix:admin.sock'))
    lost = gateway.command("reload")
    assert lost.returncode == 1
    assert "line 10, column " in lost.stderr
    assert "one that runs goes on with the configuration that it had" in lost.stderr
    assert gateway.request("POST", body=b"hello") == (200, b"hello")
    gateway.write_config(good)
    assert gateway.command("reload").returncode == 0
