from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.telemetry import logs
from gateway.telemetry.logs import REDACTED, JsonFormatter, LogSink, Redactor, SinkHandler

PEM = "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----"
JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[logging.Logger, LogSink, Redactor, Path]]:
    path = tmp_path / "gw.log"
    sink, redactor = LogSink(path), Redactor()
    handler = SinkHandler(sink)
    handler.setFormatter(JsonFormatter(redactor))
    logger = logging.Logger("test", logging.DEBUG)  # noqa: LOG001 - not part of the tree
    logger.addHandler(handler)
    yield logger, sink, redactor, path
    sink.close()


def lines(sink: LogSink, path: Path) -> list[dict[str, Any]]:
    sink.close()
    return [json.loads(line) for line in path.read_text().splitlines()]


Fixture = tuple[logging.Logger, LogSink, Redactor, Path]


def test_a_record_is_one_json_line_with_its_fields(log: Fixture) -> None:
    logger, sink, _, path = log
    logger.warning("two %s\nlines", "words", extra={"event": "x", "count": 3})
    (line,) = lines(sink, path)
    assert line["message"] == "two words\nlines"
    assert line["level"] == "warning"
    assert (line["event"], line["count"]) == ("x", 3)
    assert line["ts"].endswith("Z")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key {PEM} end", "MIIabc"),
        (f"cut off {PEM[:36]}", "MIIabc"),
        ("Authorization: Bearer abcdefgh.ijk", "abcdefgh"),
        ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        (f"token={JWT}", JWT),
        ('value hun"ter2', 'hun"ter2'),
    ],
)
def test_what_looks_like_a_credential_or_is_known_to_be_one_is_not_written(
    log: Fixture, text: str, secret: str
) -> None:
    logger, sink, redactor, path = log
    redactor.know(['hun"ter2', "shrt"])
    logger.error("%s", text, extra={"more": [text, {"deep": text}]})
    (line,) = lines(sink, path)
    assert secret not in json.dumps(line, ensure_ascii=False)
    assert secret not in line["message"]
    assert REDACTED in line["message"]
    assert REDACTED in line["more"][1]["deep"]


def test_very_short_values_do_not_blacken_the_log() -> None:
    redactor = Redactor()
    redactor.know(["a", ""])
    assert redactor.clean("a plan") == "a plan"


def test_an_unexpected_error_shows_its_places(log: Fixture) -> None:
    logger, sink, _, path = log
    try:
        int(JWT)
    except ValueError:
        logger.exception("defect")
    (line,) = lines(sink, path)
    assert line["error"][0].startswith("ValueError: invalid literal")
    assert JWT not in line["error"][0]
    assert "test_logs.py" in line["error"][1]


def test_the_file_is_private_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "gw.log"
    path.write_text("old\n")
    path.unlink()
    for word in (b"one\n", b"two\n"):
        sink = LogSink(path)
        sink.write(word)
        sink.close()
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_after_a_move_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "gw.log"
    sink = LogSink(path)
    path.rename(tmp_path / "gw.log.1")
    sink.reopen()
    sink.write(b"new\n")
    sink.close()
    assert path.read_bytes() == b"new\n"


def test_lines_for_a_reader_that_stalls_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_WAITING_BYTES", 1000)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    sink = LogSink(fifo)
    sink.write(b"x" * 1001 + b"\ny\n")
    assert sink.lines_dropped == 2
    sink.close()
    sink.write(b"late\n")
    assert sink.lines_dropped == 3
    os.close(reader)


def test_without_a_file_lines_go_to_standard_error() -> None:
    code = (
        "import logging; from gateway.telemetry.logs import *;"
        "sink = LogSink(); install(sink, Redactor(), 'info');"
        "log = logging.getLogger('gateway.x'); log.debug('no'); log.info('yes'); sink.close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == ["yes"]


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", ["gateway.a debug", "gateway.a warning", "certs.b debug", "certs.b warning"]),
        ("info", ["gateway.a warning", "certs.b warning"]),
        ("error", []),
    ],
)
def test_of_libraries_no_more_than_warnings_is_written(level: str, said: list[str]) -> None:
    code = (
        "import logging, sys; from gateway.telemetry.logs import *;"
        "sink = LogSink(); install(sink, Redactor(), 'info'); set_level(sys.argv[1])\n"
        "for name in ('gateway.a', 'certs.b', 'hpack.hpack', 'asyncio'):\n"
        "    logging.getLogger(name).debug(name + ' debug')\n"
        "    logging.getLogger(name).warning(name + ' warning')\n"
        "sink.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, level], capture_output=True, check=True, text=True
    )
    libraries = [] if level == "error" else ["hpack.hpack warning", "asyncio warning"]
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == said + libraries


def test_fields_that_a_record_has_itself_are_left_out() -> None:
    assert logs.fields({"module": "x", "args": 1, "route": "planner"}) == {"route": "planner"}
