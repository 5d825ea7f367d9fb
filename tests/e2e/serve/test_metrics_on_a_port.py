"""With `metrics_listen` a running gateway can be scraped."""

from __future__ import annotations

import http.client
import signal

from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.gateway_process import GatewayProcess, is_refused
from tests.fakes.stack import free_port


def scrape(port: int) -> dict[tuple[str, str], float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {
        (sample.name, sample.labels.get("code", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_it_is_scraped_and_closed_with_the_gateway(gateway: GatewayProcess) -> None:
    port = free_port()
    gateway.configure(more=f'[telemetry]\nmetrics_listen = "127.0.0.1:{port}"\n')
    gateway.start()
    gateway.until_ready()
    assert gateway.request("POST", "/", body=b"x")[0] == 200
    found = scrape(port)
    assert found["devwiz_gw_ready", ""] == 1.0
    assert found["devwiz_gw_requests_total", "200"] == 1.0
    gateway.signal(signal.SIGTERM)
    assert gateway.wait()[0] == 0
    assert is_refused(("127.0.0.1", port))


def test_a_taken_port_ends_the_start(gateway: GatewayProcess) -> None:
    gateway.start()
    gateway.until_ready()
    _, _, taken = gateway.address().rpartition(":")
    other = gateway.another()
    gateway.configure(
        gateway.config.read_text().replace("admin.sock", "other.sock"),
        more=f'[telemetry]\nmetrics_listen = "127.0.0.1:{taken}"\n',
    )
    other.start()
    code, _, err = other.wait()
    assert code == 1
    assert f"can't serve metrics on 127.0.0.1:{taken}" in err
