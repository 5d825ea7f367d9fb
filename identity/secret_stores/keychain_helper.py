"""Starts, asks and kills the keychain's helper process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Final, NamedTuple, cast

from identity.secret_stores.keychain_frames import read_frame, write_frame

#: Without collections of garbage, which would take a tenth of the time that its imports take.
_PROGRAM: Final = (
    "import gc; gc.disable(); from identity.secret_stores import keychain_process as it"
)
#: Isolated: neither the working folder nor PYTHON… variables add code to it.
COMMAND: Final = (sys.executable, "-I", "-c", f"{_PROGRAM}; it.main()")

#: What reaches the keychain on some system; PYTHON_KEYRING_BACKEND, KEYRING_PROPERTY_… and
#: KEYCHAIN_PATH, by which a backend would be swapped or steered, and all else stay out.
_INHERITED: Final = (
    "HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "TMPDIR",
    "USER",
    "SYSTEMROOT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
)


class HelperEnded(Exception):
    """The process ended instead of answering."""


class HelperTimedOut(Exception):
    """The process was killed at the deadline. `prompting`: it was waiting for a person."""

    def __init__(self, timeout_s: float, *, prompting: bool) -> None:
        super().__init__(f"no answer in {timeout_s:g} s")
        self.timeout_s = timeout_s
        self.prompting = prompting


class _Running(NamedTuple):
    process: subprocess.Popen[bytes]
    requests: IO[bytes]
    answers: IO[bytes]


class KeychainHelper:
    """One helper process at a time, started when needed. One caller at a time.

    `on_prompt` is called, in the caller's thread, when the keychain begins to wait for a person.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        command: Sequence[str] = COMMAND,
        timeout_s: float = 10.0,
        prompt_timeout_s: float = 30.0,
        on_prompt: Callable[[], None] = lambda: None,
    ) -> None:
        self._env = {name: env[name] for name in _INHERITED if name in env}
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._prompt_timeout_s = prompt_timeout_s
        self._on_prompt = on_prompt
        self._running: _Running | None = None

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return None if self._running is None else self._running.process.pid

    def start(self) -> None:
        """Start the process unless it runs. That it can't be started shows at the first call."""
        with contextlib.suppress(HelperEnded):
            self._ready()

    def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            HelperTimedOut: no answer in time; the process is killed.
            HelperEnded: the process could not be started, or ended.
        """
        running = self._ready()
        deadline = _Deadline(running.process, self._timeout_s)
        try:
            answer = self._converse(running, request, deadline)
        except OSError:
            answer = None
        finally:
            deadline.cancel()
        if answer is None or deadline.passed:
            self.stop()
        if answer is not None:
            return answer
        if deadline.passed:
            raise HelperTimedOut(deadline.timeout_s, prompting=deadline.extended)
        raise HelperEnded("it ended in the middle of a call")

    def kill(self) -> None:
        """Kill the process, from any thread: a call in progress raises `HelperEnded`."""
        running = self._running
        if running is not None:
            running.process.kill()

    def stop(self) -> None:
        """Kill and reap the process; nothing happens when there is none."""
        running, self._running = self._running, None
        if running is None:
            return
        running.process.kill()
        running.process.wait()
        running.answers.close()
        with contextlib.suppress(OSError):  # a request that was not sent can't be any more
            running.requests.close()

    def _ready(self) -> _Running:
        if self._running is not None and self._running.process.poll() is None:
            return self._running
        self.stop()
        try:
            process = subprocess.Popen(  # noqa: S603 - our own module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._env,
                # Ctrl-C in the terminal must not cut a write short.
                start_new_session=True,
            )
        except OSError as error:
            raise HelperEnded(f"{self._command[0]}: {error.strerror}") from error
        pipes = (cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout))
        self._running = _Running(process, *pipes)
        return self._running

    def _converse(
        self, running: _Running, request: dict[str, Any], deadline: _Deadline
    ) -> dict[str, Any] | None:
        write_frame(running.requests, request)
        while (answer := read_frame(running.answers)) is not None:
            if "notice" not in answer:
                return answer
            deadline.extend(self._prompt_timeout_s)
            self._on_prompt()
        return None


class _Deadline:
    """Kills a process unless cancelled in time: pipes have no time-outs on every system."""

    def __init__(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        self._process = process
        self.timeout_s = timeout_s
        self.extended = False
        self.passed = False
        self._timer = self._started()

    def extend(self, timeout_s: float) -> None:
        """Begin anew with another time."""
        self._timer.cancel()
        self.timeout_s = timeout_s
        self.extended = True
        self._timer = self._started()

    def cancel(self) -> None:
        """The call is over."""
        self._timer.cancel()

    def _started(self) -> threading.Timer:
        timer = threading.Timer(self.timeout_s, self._kill)
        timer.daemon = True
        timer.start()
        return timer

    def _kill(self) -> None:
        self.passed = True
        self._process.kill()
