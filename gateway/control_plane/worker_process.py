"""One life of one worker process: started with its end of the socket pair, and always reaped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Final, Self

from gateway.control_plane.worker_link import WorkerLink
from gateway.ipc.frames import Kind

_LOG: Final = logging.getLogger(__name__)

#: What starts a worker; the number of its descriptor is appended.
COMMAND: Final = (sys.executable, "-I", "-m", "gateway.data_plane")

#: The only variables that a worker inherits: tokens in our environment stay ours.
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT")

_MAX_STDERR_LINES: Final = 200


class WorkerProcess:
    """A running worker. Whoever starts one calls `finish` on it."""

    def __init__(self, process: asyncio.subprocess.Process, link: WorkerLink) -> None:
        self._process = process
        self._link = link
        self._stderr = asyncio.create_task(self._log_stderr())

    @classmethod
    async def start(cls, command: Sequence[str] = COMMAND) -> Self:
        """Start a worker. Raises `OSError` when the system has no room for one."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={key: os.environ[key] for key in _ENVIRONMENT if key in os.environ},
                # A Ctrl-C at the terminal is for the supervisor, which then drains the workers.
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, WorkerLink(ours))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def send(self, kind: Kind, payload: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """See `WorkerLink.send`."""
        self._link.send(kind, payload, descriptors)

    def frames(self) -> AsyncGenerator[tuple[Kind, bytes], None]:
        """See `WorkerLink.frames`."""
        return self._link.frames()

    def kill(self) -> None:
        """End it at once; `frames` then ends too."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def finish(self, grace_s: float = 1.0) -> int:
        """Close the link, give the worker `grace_s` to exit, kill it otherwise; its exit code."""
        self._link.close()
        try:
            await self._exit_within(grace_s)
            # Its last words are the reason why it died: wait for them, but not for a grandchild
            # that holds the pipe open.
            await asyncio.wait([self._stderr], timeout=0.5)
        except BaseException:
            self.kill()
            raise
        finally:
            self._stderr.cancel()
        return self._process.returncode or 0

    async def _exit_within(self, grace_s: float) -> None:
        try:
            async with asyncio.timeout(grace_s):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()

    async def _log_stderr(self) -> None:
        stream = self._process.stderr
        if stream is None:
            return
        for _ in range(_MAX_STDERR_LINES):
            try:
                line = await stream.readline()
            except ValueError:  # a line longer than the stream's buffer
                continue
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip()
            _LOG.warning("worker wrote: %s", text, extra={"worker": self.pid})
        while await stream.read(65_536):
            pass
