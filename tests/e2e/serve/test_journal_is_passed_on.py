"""Each line of the journal reaches LangSmith, OpenTelemetry and syslog, whatever dies meanwhile."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.http_thread import HttpThread, Reply, Request
from tests.fakes.langsmith_server import PERSONAL, LangSmithServer
from tests.fakes.syslog_server import StreamServer

pytestmark = pytest.mark.may_block("the test drives other processes")


class LogServer(HttpThread):
    """A collector that takes log records, after what `replies` says."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__()
        self.replies = list(replies)
        self.lines: list[str] = []

    def answer(self, request: Request) -> Reply:
        if self.replies:
            return self.replies.pop(0)
        for described in request.json["resourceLogs"]:
            for scope in described["scopeLogs"]:
                self.lines += [item["body"]["stringValue"] for item in scope["logRecords"]]
        return Reply(body={})


def until(condition: Callable[[], bool], what: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + 2 * DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def configured(gateway: GatewayProcess, forwards: str) -> None:
    secrets = gateway.folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "langsmith-api-key").touch(0o600)
    (secrets / "langsmith-api-key").write_text(PERSONAL)
    store = '[secrets]\nstore = "folder"\nfolder = "secrets"\n'
    gateway.configure(more=store + forwards)


def lines(gateway: GatewayProcess) -> list[str]:
    path = gateway.folder / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
    return path.read_text().splitlines()


def forwards(gateway: GatewayProcess) -> dict[str, Any]:
    return {item["name"]: item for item in gateway.status()["forwards"]}


def ended(gateway: GatewayProcess) -> None:
    gateway.signal(signal.SIGTERM)
    assert gateway.wait()[0] == 0


def test_to_all_kinds_to_the_last_line(gateway: GatewayProcess) -> None:
    with LangSmithServer() as langsmith, LogServer() as collector, StreamServer() as syslog:
        configured(
            gateway,
            f"""
[audit.forward.runs]
kind = "langsmith"
endpoint = "{langsmith.url}"
[audit.forward.logs]
kind = "otlp"
endpoint = "{collector.url}"
[audit.forward.siem]
kind = "syslog"
address = "tcp://127.0.0.1:{syslog.port}"
""",
        )
        gateway.start()
        gateway.until_ready()
        gateway.until(lambda body: all(i["lag"] == 0 < i["position"] for i in body["forwards"]))
        shown = gateway.command("status").stdout
        assert "AUDIT FORWARD" in shown
        assert f"tcp://127.0.0.1:{syslog.port}" in shown
        metrics = str(gateway.ask("GET", "/metrics")[1])
        assert 'devwiz_gw_audit_forward_lag_lines{forward="siem"} 0' in metrics
        ended(gateway)
        wanted = lines(gateway)
        assert json.loads(wanted[-1])["action"] in {"gateway.stop", "audit.checkpoint"}
        until(lambda: len(syslog.messages) >= len(wanted))
        assert [item.text for item in syslog.messages] == wanted
        assert collector.lines == wanted
        runs = [run["extra"]["metadata"]["line"] for run in langsmith.runs.values()]
        assert runs == wanted
        assert {item.headers["x-api-key"] for item in langsmith.requests} == {PERSONAL}
    assert PERSONAL not in "\n".join(wanted)


def test_kill_9_between_two_lines_loses_none(gateway: GatewayProcess) -> None:
    with LangSmithServer() as langsmith:
        table = f'[audit.forward.runs]\nkind = "langsmith"\nendpoint = "{langsmith.url}"\n'
        configured(gateway, table)
        for round_number in range(3):
            # The server refuses the beginning of each round, and the gateway dies in the middle.
            langsmith.replies = [Reply(status=500)] * round_number
            gateway.start()
            seen = len(langsmith.requests)
            until(lambda: len(langsmith.requests) > seen)  # noqa: B023 - used at once
            gateway.signal(signal.SIGKILL)
            gateway.wait()
        cursor = gateway.folder / "state" / "devwiz-gw" / "acme" / "forward-runs.json"
        # As if it had died behind the server's answer, before it could keep how far it was.
        cursor.unlink(missing_ok=True)
        gateway.start()
        gateway.until(lambda body: body["forwards"] and body["forwards"][0]["position"] > 5)
        ended(gateway)
        runs = {run["extra"]["metadata"]["line"] for run in langsmith.runs.values()}
    assert runs == set(lines(gateway))
    assert len(langsmith.runs) == len(runs)


def test_what_is_not_taken_lies_aside_and_makes_the_gateway_degraded(
    gateway: GatewayProcess,
) -> None:
    with LogServer(*[Reply(status=422)] * 1000) as collector:
        configured(gateway, f'[audit.forward.logs]\nkind = "otlp"\nendpoint = "{collector.url}"\n')
        gateway.start()
        body = gateway.until(lambda body: any(item["refused"] for item in body["forwards"]))
        aside = gateway.folder / "state" / "devwiz-gw" / "acme" / "forward-logs.refused.jsonl"
        assert "the server answered 422" in aside.read_text()
        body = gateway.until(lambda body: body["state"] == "degraded")
        assert any("not taken by logs" in reason for reason in body["reasons"])
        assert gateway.ask("GET", "/readyz")[0] == 200
        assert any(line.get("event") == "audit_line_refused" for line in gateway.log())
        ended(gateway)


def test_an_absent_server_holds_up_nothing_and_a_reload_names_another(
    gateway: GatewayProcess,
) -> None:
    with LogServer() as collector:
        configured(
            gateway, '[audit.forward.logs]\nkind = "otlp"\nendpoint = "http://127.0.0.1:1"\n'
        )
        gateway.start()
        gateway.until_ready()
        gateway.until(lambda body: bool(body["forwards"] and body["forwards"][0]["error"]))
        assert gateway.request()[0] == 200
        assert forwards(gateway)["logs"]["lag"] > 0
        configured(gateway, f'[audit.forward.logs]\nkind = "otlp"\nendpoint = "{collector.url}"\n')
        assert gateway.command("reload").returncode == 0
        gateway.until(
            lambda body: body["forwards"][0]["lag"] == 0 < body["forwards"][0]["position"]
        )
        ended(gateway)
        # An answer that came too late, on a busy machine, has lines sent once more.
        assert list(dict.fromkeys(collector.lines)) == lines(gateway)
