"""What goes into a bundle is chosen member by member."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from gateway.doctor.bundle import Gathered, files_of, withheld
from gateway.doctor.finding import Finding, Report
from gateway.doctor.scrubbing import Scrubber

_CONFIG = """
project = "acme"
surprise = "canary"
[identity.vault]
url = "https://vault.example"
role_id = "canary"
[run.env]
NAME = "canary {secret:db} canary"
file = "canary"
[tokens.x]
command = ["/usr/bin/pass", "canary"]
timeout_s = 5
[[routes]]
name = "planner"
listen = ["127.0.0.1:1"]
[routes.headers]
Authorization = "canary {secret:planner}"
name = "canary"
"""


def _files(**more: Any) -> dict[str, str]:
    findings = [
        Finding(rung="configuration", result="fail", detail="k: 'canary' is no \"canary\" name"),
        Finding(rung="tls", result="fail", detail="it shows 'CN=acme'"),
    ]
    gathered = Gathered(
        report=Report(config="c", version="1", findings=findings),
        configuration=tomllib.loads(_CONFIG),
        platform={"system": "x"},
        **more,
    )
    return {name: data.decode() for name, data in files_of(gathered, Scrubber([], {})).items()}


def test_a_configuration_keeps_what_is_known_to_be_plain() -> None:
    text = _files()["configuration.json"]
    assert "canary" not in text
    found = json.loads(text)
    assert found["project"] == "acme"
    assert found["surprise"] == "[redacted]"
    assert found["identity"]["vault"]["url"] == "https://vault.example"
    assert found["tokens"]["x"] == {"command": ["[redacted]", "[redacted]"], "timeout_s": 5}
    assert found["run"]["env"]["NAME"] == "{secret:db}"
    (route,) = found["routes"]
    assert route["listen"] == ["127.0.0.1:1"]
    assert route["headers"] == {"Authorization": "{secret:planner}", "name": "[redacted]"}


def test_text_that_a_finding_quotes_of_the_file_is_left_out() -> None:
    text = _files()["report.json"]
    assert "canary" not in text
    assert "k: [redacted] is no [redacted] name" in text
    assert "CN=acme" in text


def test_lines_keep_members_that_are_known() -> None:
    line = {"ts": "t", "status": 200, "path": "/canary", "message": "m", "value": "canary"}
    event = {"seq": 1, "action": "secret.use", "name": "n", "fingerprint": "canary", "user": {}}
    files = _files(status={"state": "ready"}, requests=[line], log=[line], journal=[event])
    assert json.loads(files["requests.json"]) == [{"ts": "t", "status": 200}]
    assert json.loads(files["log.jsonl"]) == {"ts": "t", "status": 200, "message": "m"}
    assert json.loads(files["journal.jsonl"]) == {"seq": 1, "action": "secret.use", "name": "n"}


def test_without_a_gateway_there_is_nothing_of_it() -> None:
    assert set(_files()) == {
        "report.json",
        "configuration.json",
        "platform.json",
        "log.jsonl",
        "journal.jsonl",
    }


def test_what_is_kept_back_is_known_elsewhere_too() -> None:
    found = set(withheld(tomllib.loads(_CONFIG)))
    assert found == {"canary", "/usr/bin/pass"}
    free = {"routes": [{"headers": {"X": "abc {secret:x} D1"}, "hint": "blue", "other": "D2"}]}
    assert set(withheld(free)) == {"abc", "D1", "D2"}
