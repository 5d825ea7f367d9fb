"""Becoming a program, or being its parent without being in its way."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn

from gateway.errors import GatewayError
from gateway.injection.delivery import Delivered

_PR_SET_PDEATHSIG: Final = 1
#: What is passed on to the program.
FORWARDED: Final = frozenset(
    {
        signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1,
        signal.SIGUSR2, signal.SIGALRM,
    }
)  # fmt: skip
#: What Python ignores and programs don't expect to find ignored.
_USUAL: Final = (signal.SIGPIPE, signal.SIGXFSZ)


class CommandFailed(GatewayError):
    """The program can't be run; `code` is what a shell's exit code would be."""

    def __init__(self, message: str, *, hint: str, code: int) -> None:
        super().__init__(message, hint=hint)
        self.code = code


def become(argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Replace this process by the program: same number, terminal, signals and parent.

    Raises:
        CommandFailed: there is no such program, or it can't be run.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    _usual_signals()
    try:
        os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606
    except OSError as error:
        raise failed(argv[0], error) from error


def failed(command: str, error: OSError) -> CommandFailed:
    """The error of a program that didn't start."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return CommandFailed(
            f"{command}: there is no such command", hint="is it on the PATH?", code=127
        )
    why = (error.strerror or "it can't be run").lower()
    return CommandFailed(f"{command}: {why}", hint="check its mode and its first line", code=126)


def start(
    argv: Sequence[str],
    delivered: Delivered,
    env: Mapping[str, str],
    *,
    prepare: Callable[[], None] = lambda: None,
) -> int:
    """Start the program as a child that ends when this process is killed; its number. `prepare` is
    called in the child. Signals that are blocked here are not blocked there.

    Raises:
        CommandFailed: there is no such program, or it can't be run.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    reading, writing = os.pipe()  # both close at exec: what comes is an error's number
    pid = os.fork()
    if pid == 0:
        try:
            die_with(parent)
            prepare()
            _usual_signals()
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606
        except OSError as error:
            os.write(writing, b"%d" % (error.errno or errno.EINVAL))
        except BaseException:  # noqa: BLE001 - a child of a fork may not go on in the parent's code
            os.write(writing, b"%d" % errno.EINVAL)
        finally:
            os._exit(127)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        code = pipe.read()
    for fd in delivered.fds:
        os.close(fd)
    if code:
        os.waitpid(pid, 0)
        raise failed(argv[0], OSError(int(code), os.strerror(int(code))))
    return pid


def wait(pid: int) -> int:
    """Pass signals on to the child, stop when it stops, and return its wait status.

    Both are in the terminal's foreground: what is typed there (Ctrl-C, Ctrl-Z) comes from the
    kernel to both, and isn't passed on a second time. Call `block_signals` before `start`.
    """
    while True:
        status = _heard(pid, signal.sigwaitinfo(FORWARDED | {signal.SIGCHLD}))
        if status is not None:
            return status


def wait_until(pid: int, over: Callable[[], bool], *, every_s: float) -> int | None:
    """Like `wait`, until `over`, which is asked every so often; None when it was, and the child
    still runs.
    """
    while not over():
        received = signal.sigtimedwait(FORWARDED | {signal.SIGCHLD}, every_s)
        if received is not None and (status := _heard(pid, received)) is not None:
            return status
    return None


def _heard(pid: int, received: signal.struct_siginfo) -> int | None:
    if received.si_signo != signal.SIGCHLD:
        if received.si_code <= 0:  # sent by a process (SI_USER, SI_QUEUE, SI_TKILL)
            send(pid, received.si_signo)
        return None
    ended, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
    if ended and os.WIFSTOPPED(status):
        os.kill(os.getpid(), signal.SIGSTOP)
        send(pid, signal.SIGCONT)
        return None
    return status if ended else None


def block_signals() -> None:
    """Keep for `wait` what would end this process before its child."""
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED | {signal.SIGCHLD})


def send(pid: int, signo: int) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, signo)
    except ProcessLookupError:
        pass  # its end is on its way to us


def end_like(status: int) -> int:
    """End by the signal that ended the child; else the exit code that it had."""
    if os.WIFSIGNALED(status):
        signo = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # its core is enough
        if signo not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(signo, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.kill(os.getpid(), signo)
    return os.waitstatus_to_exitcode(status) % 256


def die_with(parent: int) -> None:
    """SIGTERM when the parent is gone, so that nothing goes on with its secrets (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)


def _usual_signals() -> None:
    for signo in _USUAL:
        signal.signal(signo, signal.SIG_DFL)
