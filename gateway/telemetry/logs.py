"""The program's log: lines to standard error or a file, written by a thread of its own.

Access-log lines of the workers go through the same sink. Nothing here ever blocks the caller: a
reader of our standard error that stalls costs lines, which are counted, and never requests.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

#: Bytes that may wait for a slow reader before further lines are dropped.
MAX_WAITING_BYTES: Final = 4 * 1024 * 1024

#: After a write the thread rests this long, so that lines under load go out in batches.
BATCH_S: Final = 0.05

REDACTED: Final = "[redacted]"

_OWN: Final = ("gateway", "identity", "certs")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_SENSITIVE: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)"
    r"|(?<=bearer )[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<=basic )[A-Za-z0-9+/=]{8,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
    re.DOTALL | re.IGNORECASE,
)


class Redactor:
    """The last guard before a log line: what looks like a credential, or is known to be one.

    Lines are not supposed to hold secrets at all; this catches the one that slipped in.
    """

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()

    def know(self, values: Iterable[str]) -> None:
        """Replace the set of secret values that must not appear; very short ones are left out."""
        distinct = {value for value in values if len(value) >= 6}
        self._values = tuple(sorted(distinct, key=len, reverse=True))

    def clean(self, text: str) -> str:
        """`text` with every credential replaced."""
        for value in self._values:
            if value in text:
                text = text.replace(value, REDACTED)
        return _SENSITIVE.sub(REDACTED, text)


class LogSink:
    """Writes whole lines to a file (mode 0600) or, without a path, to standard error."""

    def __init__(
        self, path: Path | None = None, *, render: Callable[[bytes], bytes] | None = None
    ) -> None:
        """Open the target; `render` makes of lines of JSON what is written in their place.

        Raises:
            OSError: the file can't be opened.
        """
        self._path = path
        self._render = render
        self._fd = self._open()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        self.lines_dropped = 0

    def write(self, lines: bytes) -> None:
        """Queue newline-terminated lines; returns at once, from any thread."""
        with self._wake:
            if self._closing or self._waiting_bytes + len(lines) > MAX_WAITING_BYTES:
                self.lines_dropped += lines.count(b"\n")
                return
            self._waiting.append(lines)
            self._waiting_bytes += len(lines)
            self._wake.notify()

    def reopen(self) -> None:
        """Open the file again under its name, after it was moved away. Raises `OSError`."""
        if self._path is None:
            return
        fresh = self._open()
        with self._wake:
            # The number stays the same, so a write under way goes to one of the two files whole.
            os.dup2(fresh, self._fd, inheritable=False)
        os.close(fresh)

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is queued, for at most `timeout_s`, and stop; a second call does nothing."""
        with self._wake:
            if self._closing:
                return
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_s)
        if self._path is not None and not self._thread.is_alive():
            os.close(self._fd)

    def _open(self) -> int:
        if self._path is None:
            return sys.__stderr__.fileno() if sys.__stderr__ is not None else 2
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self._path, flags, 0o600)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                batch = b"".join(self._waiting)
                self._waiting.clear()
                self._waiting_bytes = 0
                closing = self._closing
            self._write_out(self._render(batch) if self._render is not None else batch)
            if closing:
                return
            time.sleep(BATCH_S)

    def _write_out(self, batch: bytes) -> None:
        view = memoryview(batch)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                time.sleep(BATCH_S)
            except OSError:
                self.lines_dropped += bytes(view).count(b"\n")
                return


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, logger, message, and whatever `extra` brought."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, without a newline at the end."""
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "ts": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _trace(record.exc_info[1])
        return json.dumps(self._clean(line), ensure_ascii=False)

    def _clean(self, value: object) -> object:
        # Before quoting: a quote or line break inside a secret would hide it from the redactor.
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, dict):
            return {str(key): self._clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(item) for item in value]
        return self._redactor.clean(str(value))


class SinkHandler(logging.Handler):
    """Hands formatted records to a `LogSink`."""

    def __init__(self, sink: LogSink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Format and queue one record."""
        try:
            self._sink.write(self.format(record).encode("utf-8", "replace") + b"\n")
        except Exception:  # noqa: BLE001 - logging must never take its caller down
            self.handleError(record)


def install(sink: LogSink, redactor: Redactor, level: str) -> None:
    """Send the root logger to `sink`, in place of whatever it had."""
    handler = SinkHandler(sink)
    handler.setFormatter(JsonFormatter(redactor))
    logging.getLogger().handlers[:] = [handler]
    set_level(level)


def set_level(level: str) -> None:
    """Log our own packages from `level` on. Of libraries no more than warnings are of use: what
    they tell of each frame and each poll would fill the log.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger().setLevel(max(number, logging.WARNING))
    for name in _OWN:
        logging.getLogger(name).setLevel(number)


def fields(values: Mapping[str, object]) -> dict[str, object]:
    """`values` as an `extra` for a log call, less those that would overwrite the record's own."""
    return {key: value for key, value in values.items() if key not in _STANDARD}


def _trace(error: BaseException) -> list[str]:
    """Where an unexpected error came from: types and places, no values of ours."""
    places = []
    frame = error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{frame.tb_lineno} {code.co_name}")
        frame = frame.tb_next
    return [f"{type(error).__name__}: {error}", *places]
