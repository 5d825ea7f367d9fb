"""The report as people see it."""

from __future__ import annotations

from gateway.cli.doctor_view import lines
from gateway.doctor.finding import Finding, Report


def test_a_line_each_and_what_to_do_below() -> None:
    findings = [
        Finding(rung="proxy", result="warn", detail="a proxy is set", remedy="export NO_PROXY"),
        Finding(rung="tcp", about="planner", result="fail", detail="x\x1b[2J", remedy="start it"),
        Finding(rung="tls", about="planner", result="skip", detail="skipped: because tcp failed"),
    ]
    report = Report(config="c", version="1", findings=findings)
    assert list(lines(report)) == [
        "warn  proxy           a proxy is set",
        "                      hint: export NO_PROXY",
        "fail  tcp    planner  x\\x1b[2J",
        "                      hint: start it",
        "skip  tls    planner  skipped: because tcp failed",
        "",
        "something is wrong: 1 warn, 1 fail, 1 skip",
    ]


def test_nothing_is_wrong() -> None:
    report = Report(
        config="c", version="1", findings=[Finding(rung="dns", result="pass", detail="x")]
    )
    assert list(lines(report))[-1] == "nothing is wrong: 1 pass"
