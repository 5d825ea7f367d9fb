"""Who may call is settled before anybody calls, and each refusal is in the journal."""

from __future__ import annotations

import json

import pytest

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.other_user import AS_ROOT, STRANGER, ask_as
from tests.fakes.scripted_upstream import ScriptedUpstream, wait_until


@pytest.mark.parametrize(
    "place", ["0.0.0.0:0", "[::]:0", "10.0.0.7:0", "127.0.0.2:0", "[::ffff:127.0.0.1]:0"]
)
def test_a_listener_that_others_can_reach_does_not_start(
    gateway: GatewayProcess, place: str
) -> None:
    gateway.configure(listen=place)
    gateway.start()
    code, out, err = gateway.wait()
    assert (code, out) == (1, "")
    assert "routes.planner.listen" in err
    assert "hint:" in err


@pytest.mark.parametrize("rule", ["uid = 0", 'uid = 0\nexe = "/usr/bin/curl"'])
def test_nor_with_rules_that_a_stranger_could_fit(gateway: GatewayProcess, rule: str) -> None:
    gateway.configure(listen="0.0.0.0:0", more=f"[[routes.allow]]\n{rule}\n")
    gateway.start()
    assert gateway.wait()[0] == 1


def test_it_starts_when_every_rule_asks_for_a_token(gateway: GatewayProcess) -> None:
    more = '[[routes.allow]]\ntoken = "ide"\n[secrets]\nstore = "memory"\n'
    gateway.configure(listen="0.0.0.0:0", more=more)
    gateway.start()
    status = gateway.until(lambda body: bool(body["routes"][0]["listeners"]))
    port = status["routes"][0]["listeners"][0].rpartition(":")[2]
    code, answer = gateway.request(at=f"127.0.0.1:{port}")
    assert code == 403
    assert b"no rule allows the caller" in answer


@AS_ROOT
def test_a_refused_user_is_in_the_journal(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    gateway.start()
    gateway.until_ready()
    answer = ask_as(STRANGER, int(gateway.address().rpartition(":")[2]))
    assert answer.startswith("HTTP/1.1 403 ")
    problem = json.loads(answer.partition("\n\n")[2])
    wait_until(lambda: any(line["action"] == "route.use" for line in gateway.audit()))
    (line,) = [line for line in gateway.audit() if line["action"] == "route.use"]
    assert (line["outcome"], line["name"]) == ("denied", "planner")
    assert line["reason"].startswith(f"{problem['detail']} (uid:{STRANGER}")
    assert not upstream.requests
