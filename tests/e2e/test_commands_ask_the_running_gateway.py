"""What a running gateway tells scripts, containers and monitoring: exit codes, JSON, metrics."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.e2e.conftest import StartStack
from tests.fakes.stack import LAPTOP, free_port

SAMPLE = re.compile(r"([a-z_]+)(\{(?:[a-z_]+=\"[^\"]*\",?)+\})? (-?[0-9.e+]+|\+Inf|NaN)")


def test_before_during_and_after_its_life(start_stack: StartStack) -> None:
    stack = start_stack()
    gateway = stack.gateway
    gateway.configure(listen=f"localhost:{free_port()}")
    for verb, code in {"status": 2, "wait --timeout 0.1": 2, "healthcheck": 1, "reload": 2}.items():
        told = gateway.command(*verb.split())
        assert told.returncode == code, verb
        assert "no gateway answers" in told.stderr
        assert "devwiz-gw serve" in told.stderr
    gateway.start()
    assert gateway.command("wait").returncode == 0
    assert gateway.command("healthcheck").stdout == "ready\n"
    assert gateway.command("healthcheck", "--live").stdout == "live\n"
    assert gateway.command("healthcheck", "--startup").stdout == "started\n"
    both = gateway.status()["routes"][0]["listeners"]
    assert [address.rpartition(":")[0] for address in both] == ["127.0.0.1", "[::1]"]
    for address in both:
        assert gateway.request("POST", "/echo", at=address, body=b"x")[0] == 200
    shown = gateway.command("status", "--json")
    assert shown.returncode == 0
    the_document_is_whole(json.loads(shown.stdout), stack.agent.serials)
    table = gateway.command("status")
    assert table.returncode == 0
    for part in (LAPTOP, stack.agent.serials[0], both[0], "dns:localhost", "TLSv1.3"):
        assert part in table.stdout
    the_metrics_can_be_read(gateway.ask("GET", "/metrics")[1])
    assert gateway.ask("GET", "/livez") == (200, {"ok": True})
    code, ready = gateway.ask("GET", "/readyz")
    assert (code, ready["ready"]) == (200, True)
    assert set(ready["checks"]) == {
        *("accepting", "identity", "workers", "capacity", "route:planner")
    }
    code, started = gateway.ask("GET", "/startupz")
    assert (code, started["started"]) == (200, True)
    gateway.command("drain")
    assert gateway.wait()[0] == 0
    assert gateway.command("status").returncode == 2


def the_document_is_whole(document: dict[str, Any], serials: list[str]) -> None:
    """The parts of `status --json` that programs read."""
    assert (document["state"], document["reasons"]) == ("ready", [])
    identity, (route,) = document["identity"], document["routes"]
    assert identity["spiffe_id"] == LAPTOP
    assert [identity["serial"]] == serials
    assert (identity["generation"], identity["last_error"]) == (1, None)
    assert identity["not_before"] < identity["next_renewal"] < identity["not_after"]
    assert (route["peer"], route["tls_version"]) == ("dns:localhost", "TLSv1.3")
    assert route["tls_group"]
    assert route["requests"] == {"200": 2}
    assert route["connections"] == {"1": 1}
    assert (route["active"], route["streams"], route["last_error"]) == (0, 0, None)


def the_metrics_can_be_read(text: str) -> None:
    """The exposition format, line by line."""
    described, values = set(), {}
    for line in text.splitlines():
        if line.startswith("# "):
            described.add(line.split()[2])
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name = re.sub("_(bucket|sum|count)$", "", match[1])
        assert {name, match[1]} & described, f"{name} is not described"
        values[match[1], match[2]] = float(match[3])
    served = [value for (name, labels), value in values.items() if 'code="200"' in (labels or "")]
    assert served == [2.0]
