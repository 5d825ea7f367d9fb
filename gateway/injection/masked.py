"""Running a program whose output is looked through for values that must not be shown.

Where our output is a terminal the program gets one of its own, so that colours, prompts and
progress stay; where it is a file or pipe it gets a pipe.
"""

from __future__ import annotations

import errno
import fcntl
import os
import selectors
import signal
import termios
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.injection.child import FORWARDED, send, start
from gateway.injection.delivery import Delivered
from gateway.injection.masking import Masker
from gateway.injection.monitor import reports, split_off

_CHUNK: Final = 65_536
#: What may be the beginning of a value is shown when nothing followed for so long.
_RELEASE_S: Final = 0.05
#: Output of processes that the program left behind is waited for no longer than this.
_LAST_S: Final = 0.5
_TYPED: Final = (signal.SIGINT, signal.SIGQUIT)
_STDIN, _STDOUT, _STDERR = 0, 1, 2


@dataclass(slots=True)
class _Flow:
    """Output on its way: what the program writes to `reading` goes to `target`."""

    reading: int
    target: int
    masker: Masker
    ended: bool = False


@dataclass(slots=True)
class _Places:
    """The program's ends: pipes by the descriptor that each becomes, and a terminal for the others.
    `report` is where the leader of the terminal's session tells what becomes of the program.
    """

    outputs: tuple[int, ...]
    pipes: dict[int, int] = field(default_factory=dict)
    terminal: int = -1
    report: int = -1

    def take(self) -> None:
        """In the child: put all where it belongs."""
        if self.terminal >= 0:
            typed = (_STDIN,) if os.isatty(_STDIN) else ()
            os.setsid()
            fcntl.ioctl(self.terminal, termios.TIOCSCTTY, 0)
            for fd in (*self.outputs, *typed):
                os.dup2(self.terminal, fd)
        for fd, end in self.pipes.items():
            os.dup2(end, fd)
        if self.terminal >= 0:
            split_off(self.terminal, self.report)

    def close(self) -> None:
        """In the parent: the child has them."""
        for fd in (*self.pipes.values(), self.terminal, self.report):
            if fd >= 0:
                os.close(fd)


class MaskedRun:
    """One program, started and watched until its end."""

    def __init__(self, values: Sequence[str], begun: Callable[[], None]) -> None:
        """`begun` is called when the program runs."""
        self._values = values
        self._begun = begun
        self._flows: list[_Flow] = []
        self._terminal = self._reports = self._pid = -1
        self._selector = selectors.DefaultSelector()
        self._status: int | None = None
        self._before: list[Any] | None = None

    @property
    def hidden(self) -> int:
        """How many values were hidden."""
        return sum(flow.masker.hidden for flow in self._flows)

    def run(self, argv: Sequence[str], delivered: Delivered, env: Mapping[str, str]) -> int:
        """The program's wait status. Raises `CommandFailed`."""
        outputs = [fd for fd in (_STDOUT, _STDERR) if os.isatty(fd)]
        places = self._open(outputs)
        with _signals_as_bytes() as told:
            try:
                self._pid = start(argv, delivered, env, prepare=places.take)
            finally:
                places.close()
            self._begun()
            with self._raw():
                return self._watch(told)

    def _open(self, outputs: Sequence[int]) -> _Places:
        places = _Places(tuple(outputs))
        if outputs:
            self._terminal, places.terminal = os.openpty()
            self._reports, places.report = os.pipe()
            _copy_size(self._terminal)
            self._flows.append(_Flow(self._terminal, outputs[0], Masker(self._values)))
        for fd in (_STDOUT, _STDERR):
            if fd not in outputs:
                reading, places.pipes[fd] = os.pipe()
                self._flows.append(_Flow(reading, fd, Masker(self._values)))
        return places

    @contextmanager
    def _raw(self) -> Iterator[None]:
        """What is typed goes to the program's terminal as it is: that one makes of it what it
        makes.
        """
        if self._terminal < 0 or not os.isatty(_STDIN):
            yield
            return
        self._before = termios.tcgetattr(_STDIN)
        tty.setraw(_STDIN, termios.TCSADRAIN)
        self._selector.register(_STDIN, selectors.EVENT_READ, "typed")
        try:
            yield
        finally:
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, self._before)

    # -- the loop --------------------------------------------------------------------------------

    def _watch(self, told: int) -> int:
        self._selector.register(told, selectors.EVENT_READ, "signals")
        if self._reports >= 0:
            self._selector.register(self._reports, selectors.EVENT_READ, "reports")
        for flow in self._flows:
            self._selector.register(flow.reading, selectors.EVENT_READ, flow)
        while (status := self._status) is None or not all(flow.ended for flow in self._flows):
            events = self._selector.select(self._patience())
            for key, _ in events:
                self._serve(told, key.data)
            if not events:
                if status is not None and not self._holds():
                    break
                self._release()
        self._release()
        return status

    def _patience(self) -> float | None:
        if self._holds():
            return _RELEASE_S
        return None if self._status is None else _LAST_S

    def _holds(self) -> bool:
        return any(flow.masker.holds for flow in self._flows)

    def _serve(self, told: int, what: object) -> None:
        if isinstance(what, _Flow):
            self._relay(what)
        elif what == "typed":
            self._type()
        elif what == "reports":
            self._hear()
        else:
            for signo in os.read(told, _CHUNK):
                self._on_signal(signal.Signals(signo))

    def _relay(self, flow: _Flow) -> None:
        try:
            data = os.read(flow.reading, _CHUNK)
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal whose last program is gone
                raise
            data = b""
        if data:
            _write(flow.target, flow.masker.feed(data))
        else:
            flow.ended = True
            self._selector.unregister(flow.reading)
            _write(flow.target, flow.masker.release())

    def _release(self) -> None:
        for flow in self._flows:
            _write(flow.target, flow.masker.release())

    def _type(self) -> None:
        data = os.read(_STDIN, _CHUNK)
        if data:
            _write(self._terminal, data)
        else:
            self._selector.unregister(_STDIN)

    # -- what becomes of the program -------------------------------------------------------------

    def _on_signal(self, signo: signal.Signals) -> None:
        if signo == signal.SIGWINCH:
            if self._terminal >= 0:
                _copy_size(self._terminal)
        elif signo != signal.SIGCHLD:
            # Typed at a terminal that both of us have, the kernel has sent it to both.
            if self._terminal >= 0 or signo not in _TYPED or not os.isatty(_STDIN):
                send(self._pid, signo)
        elif self._terminal < 0 and self._status is None:
            ended, status = os.waitpid(self._pid, os.WNOHANG | os.WUNTRACED)
            if ended and os.WIFSTOPPED(status):
                self._stop()
            elif ended:
                self._status = status

    def _hear(self) -> None:
        data = os.read(self._reports, _CHUNK)
        if not data:  # the monitor was killed, and the program with it
            self._selector.unregister(self._reports)
            self._status = signal.SIGKILL if self._status is None else self._status
        for report in reports(data):
            match report.kind:
                case "started":
                    self._pid = report.number
                case "stopped":
                    self._stop()
                case "ended":
                    self._status = report.number

    def _stop(self) -> None:
        """The program was stopped (Ctrl-Z): so are we, with the terminal as we found it."""
        self._release()
        if self._before is not None:
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, self._before)
        os.kill(os.getpid(), signal.SIGSTOP)
        if self._before is not None:
            tty.setraw(_STDIN, termios.TCSADRAIN)
        if self._terminal >= 0:
            _copy_size(self._terminal)
        with suppress(ProcessLookupError, PermissionError):
            # With a terminal of its own it leads a group.
            (os.killpg if self._terminal >= 0 else os.kill)(self._pid, signal.SIGCONT)


def _copy_size(terminal: int) -> None:
    """Give the terminal the size of ours."""
    with suppress(OSError):
        size = fcntl.ioctl(_STDOUT if os.isatty(_STDOUT) else _STDERR, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)


def _write(fd: int, data: bytes) -> None:
    """Write all; a reader that is gone ends us as it would have ended the program."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


@contextmanager
def _signals_as_bytes() -> Iterator[int]:
    """A descriptor from which the numbers of signals can be read."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    handlers = {
        signo: signal.signal(signo, lambda *_: None)
        for signo in (*FORWARDED, signal.SIGCHLD, signal.SIGWINCH)
        # What was ignored before us (nohup) stays so for the program: handlers don't survive exec.
        if signal.getsignal(signo) is not signal.SIG_IGN
    }
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(before)
        for signo, handler in handlers.items():
            signal.signal(signo, handler)
        os.close(reading)
        os.close(writing)
