"""The order of findings, and what they come to."""

from __future__ import annotations

from gateway.doctor.finding import Finding, Report, Result, in_order, skipped


def _one(rung: str, about: str = "", result: Result = "pass") -> Finding:
    return Finding(rung=rung, about=about, result=result, detail="x")


def test_what_is_about_everything_comes_first_and_each_route_is_together() -> None:
    mixed = [
        _one("http", "b"),
        _one("tcp", "a"),
        _one("dns", "b"),
        _one("secrets"),
        _one("http", "a"),
        _one("configuration"),
    ]
    assert [(item.rung, item.about) for item in in_order(mixed)] == [
        ("configuration", ""),
        ("secrets", ""),
        ("dns", "b"),
        ("http", "b"),
        ("tcp", "a"),
        ("http", "a"),
    ]


def test_a_warning_is_no_failure() -> None:
    good = Report(config="c", version="1", findings=[_one("dns"), _one("tcp", result="warn")])
    assert good.is_good
    assert good.counts() == {"pass": 1, "warn": 1, "fail": 0, "skip": 0}
    bad = Report(config="c", version="1", findings=[_one("dns", result="fail")])
    assert not bad.is_good


def test_the_document_has_what_is_described() -> None:
    report = Report(config="c", version="1", findings=[skipped("tls", "tcp failed", about="a")])
    assert report.document() == {
        "schema": 1,
        "ok": True,
        "config": "c",
        "version": "1",
        "counts": {"pass": 0, "warn": 0, "fail": 0, "skip": 1},
        "findings": [
            {
                "rung": "tls",
                "about": "a",
                "result": "skip",
                "detail": "skipped: because tcp failed",
                "remedy": "",
                "reason": "",
            }
        ],
    }
