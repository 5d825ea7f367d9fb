"""What people see of a command: the only place that prints.

The rules. Results go to standard output; everything said *about* the work (errors, hints,
progress) goes to standard error. Errors are lower case without a full stop, with the likely cause
and remedy on a line of its own. Colour and redrawing happen only on a terminal, and never when
`NO_COLOR` is set. A program that reads the output asks for `--json`. Text that came from elsewhere
can't move the cursor: control characters are shown as escapes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Self, TextIO

from gateway.errors import OutputLost
from identity.fault import Fault

_COLOURS: Final = {"good": "32", "warning": "33", "bad": "31", "faint": "2", "strong": "1"}
_PROGRESS_AFTER_S: Final = 1.0


def line(text: str = "") -> None:
    """One line of the result. Raises `OutputLost`, as all do that write to standard output."""
    write(f"{text}\n")


def document(value: object) -> None:
    """A result for programs: JSON, indented, keys in the order given."""
    import json  # a program under `run` waits for each import before its own start

    line(json.dumps(value, indent=2, ensure_ascii=False))


def write(text: str) -> None:
    """A piece of the result, with no end of line."""
    with _standard_output():
        sys.stdout.write(text)


def write_bytes(data: bytes) -> None:
    """A piece of a result that isn't ours to decode; not to be mixed with text."""
    with _standard_output():
        sys.stdout.buffer.write(data)


def note(text: str) -> None:
    """A remark about the work, on standard error; where that can't be written the work goes on."""
    _to_standard_error(f"{text}\n")


def question(text: str) -> None:
    """A question, on standard error; its answer is typed behind it."""
    _to_standard_error(printable(text))


def fault(error: Fault) -> None:
    """Show an error: what failed, then the cause and the remedy; all problems of a bad file."""
    note(f"{paint('error:', 'bad', stream=sys.stderr)} {printable(str(error))}")
    for problem in getattr(error, "problems", ()):
        if problem.message == str(error):
            continue  # it is said already, and its hint comes below
        where = f"{problem.key}: " if problem.key else ""
        note(f"  {printable(where + problem.message)}")
        if problem.hint:
            note(f"    {paint('hint:', 'faint', stream=sys.stderr)} {printable(problem.hint)}")
    if error.hint:
        note(f"{paint('hint:', 'faint', stream=sys.stderr)} {printable(error.hint)}")


def warning(text: str, *, hint: str) -> None:
    """Show what is most likely wrong, and what to do."""
    note(f"{paint('warning:', 'warning', stream=sys.stderr)} {printable(text)}")
    note(f"{paint('hint:', 'faint', stream=sys.stderr)} {printable(hint)}")


def paint(text: str, style: str, *, stream: TextIO | None = None) -> str:
    """`text` in a colour ("good", "warning", "bad", "faint", "strong") where colour is welcome."""
    if not text or not has_colour(stream or sys.stdout):
        return text
    return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m"


def has_colour(stream: TextIO) -> bool:
    """Whether colours may be written to `stream`."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def clear() -> None:
    """Empty the terminal for a redraw; on anything else a blank line sets the pictures apart."""
    write("\x1b[H\x1b[2J" if sys.stdout.isatty() else "\n")


def flush() -> None:
    """Hand on what was said so far, for a reader that follows."""
    with _standard_output():
        sys.stdout.flush()


def terminal_width() -> int | None:
    """Columns of the terminal that the result goes to, or None when it goes elsewhere."""
    if not sys.stdout.isatty():
        return None
    # A terminal that doesn't know its size says 0.
    return os.get_terminal_size(sys.stdout.fileno()).columns or None


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of an aligned table: columns as wide as their widest cell, two spaces between."""
    cells = [list(headings), *([printable(cell) or "-" for cell in row] for row in rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(headings))]
    return [_aligned(row, widths) for row in cells]


def fitted(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, columns: int | None
) -> list[str]:
    """A table where it fits into `columns`, else a block for each row."""
    lines = table(headings, rows)
    if columns is None or max(width(text) for text in lines) <= columns:
        return lines
    return [
        text
        for first, *others in rows
        for text in (printable(first), *pairs(list(zip(headings[1:], others, strict=True))))
    ]


def pairs(rows: Sequence[tuple[str, str]], *, indent: str = "  ") -> list[str]:
    """Lines of "label  value", values aligned."""
    label_width = max((width(label) for label, _ in rows), default=0)
    return [
        f"{indent}{label}{' ' * (label_width - width(label))}  {printable(value) or '-'}"
        for label, value in rows
    ]


def width(text: str) -> int:
    """Terminal columns that `text` takes: wide East Asian characters two, combining marks none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )


def printable(text: str) -> str:
    """`text` with control characters shown as escapes, so that no remote text steers a terminal."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def duration(seconds: float) -> str:
    """A span of time in its two largest units: "45s", "12m 30s", "3h 05m", "2d 04h"."""
    whole = max(0, int(seconds))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}h"
    if hours:
        return f"{hours}h {minute:02}m"
    if minutes:
        return f"{minutes}m {second:02}s"
    return f"{second}s"


class Progress:
    """A line on the terminal that says what is being waited for, once that takes over a second.

    A context manager; call `tick` now and then. Nothing is shown where nobody watches.
    """

    def __init__(self, label: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._label = label
        self._clock = clock
        self._began = clock()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def tick(self, detail: str = "") -> None:
        """Redraw the line with the time passed and `detail`."""
        passed = self._clock() - self._began
        if passed < _PROGRESS_AFTER_S or not sys.stderr.isatty():
            return
        self._shown = True
        text = f"{self._label} {duration(passed)}" + (f": {detail}" if detail else "")
        _to_standard_error(f"\r\x1b[K{printable(text)}")

    def __exit__(self, *_exc: object) -> None:
        if self._shown:
            _to_standard_error("\r\x1b[K")


@contextmanager
def _standard_output() -> Iterator[None]:
    """A full disk, or a terminal that is gone, is an error to tell; a reader that is gone is not,
    and stays a `BrokenPipeError`.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _give_up(sys.stdout)
        why = error.strerror or type(error).__name__
        raise OutputLost(f"the output can't be written: {why.lower()}") from error


def _to_standard_error(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except BrokenPipeError:
        raise
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """What is still held for it, maybe a part of a value, would be written, and fail, at the end of
    the process once more.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)]
    return "  ".join(padded).rstrip()
