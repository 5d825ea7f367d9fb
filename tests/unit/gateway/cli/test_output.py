"""The rules of what people see."""

from __future__ import annotations

import io
import sys

import pytest

from gateway.cli import output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m 00s"),
        (750, "12m 30s"),
        (3599.9, "59m 59s"),
        (11100, "3h 05m"),
        (86_400, "1d 00h"),
        (187_200, "2d 04h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_columns_align_whatever_the_script() -> None:
    lines = output.table(
        ("NAME", "X"), [("路由", "1"), ("e\N{COMBINING ACUTE ACCENT}", "2"), ("", "3")]
    )
    assert [output.width(line.rpartition(" ")[0]) for line in lines] == [5, 5, 5, 5]
    assert lines[3] == "-     3"


def test_colour_only_on_a_terminal_that_wants_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert output.paint("bad", "bad", stream=terminal) == "\x1b[31mbad\x1b[0m"
    assert output.paint("bad", "bad", stream=io.StringIO()) == "bad"
    monkeypatch.setenv("TERM", "dumb")
    assert output.paint("bad", "bad", stream=terminal) == "bad"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.paint("bad", "bad", stream=terminal) == "bad"


def test_control_characters_show_as_escapes() -> None:
    assert output.printable("a\x1b[2J\n\u202eé") == "a\\x1b[2J\\n\\u202eé"


def test_progress_shows_after_a_second_and_cleans_up(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    now = iter([100.0, 100.9, 103.0])
    with output.Progress("waiting for the gateway", clock=lambda: next(now)) as progress:
        progress.tick()
        assert terminal.getvalue() == ""
        progress.tick("no certificate yet")
        assert terminal.getvalue().endswith("waiting for the gateway 3s: no certificate yet")
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([100.0, 110.0])
    with output.Progress("waiting", clock=lambda: next(now)) as progress:
        progress.tick()
    assert capsys.readouterr().err == ""


def test_json_keeps_the_order_and_the_letters(capsys: pytest.CaptureFixture[str]) -> None:
    output.document({"b": "é", "a": None})
    assert capsys.readouterr().out == '{\n  "b": "é",\n  "a": null\n}\n'


def test_a_table_that_is_too_wide_becomes_blocks() -> None:
    headings, rows = ("NAME", "SEEN AT"), [["planner", "now"], ["search", ""]]
    assert output.fitted(headings, rows, columns=None) == output.table(headings, rows)
    assert output.fitted(headings, rows, columns=16) == output.table(headings, rows)
    assert output.fitted(headings, rows, columns=15) == [
        "planner",
        "  SEEN AT  now",
        "search",
        "  SEEN AT  -",
    ]
