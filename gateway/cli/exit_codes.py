"""The exit codes of every command, in one table."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process's exit code tells a script."""

    OK = 0
    FAILED = 1
    NOT_RUNNING = 2
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """One sentence for the documentation."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "Done; for `status`, `wait` and `healthcheck`: healthy; for `serve`: drained.",
    ExitCode.FAILED: "The command failed, or the gateway runs but is not healthy; for `serve`: it "
    "could not start, or open requests were cut at the end.",
    ExitCode.NOT_RUNNING: "No gateway answers on the admin socket, or the command line is wrong.",
    ExitCode.INTERRUPTED: "Stopped from the keyboard (SIGINT).",
    ExitCode.BROKEN_PIPE: "The reader of the output went away (SIGPIPE).",
    ExitCode.TERMINATED: "`demo` was told to stop (SIGTERM), and stopped what it had started.",
}
