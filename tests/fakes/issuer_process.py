"""A real `devwiz-gw issuer serve` process."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

from tests.fakes.issuer import PROJECT


class IssuerProcess:
    """Serves `folder`. `start` returns when it listens; the port stays the same over restarts."""

    def __init__(self, folder: Path, *, ttl: str = "1h", options: tuple[str, ...] = ()) -> None:
        self._folder = folder
        self._ttl = ttl
        self._options = options
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None
        self.said = ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    async def start(self) -> None:
        arguments = ["--dir", str(self._folder), "--ttl", self._ttl]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gateway", "issuer", "serve"),
            *(*arguments, "--listen", f"127.0.0.1:{self._port}", *self._options),
            cwd=PROJECT,
            env={"PATH": os.environ.get("PATH", "")},
            stderr=asyncio.subprocess.PIPE,
        )
        stderr = self._process.stderr
        assert stderr is not None
        async with asyncio.timeout(20):
            line = (await stderr.readline()).decode()
        self.said += line
        found = re.search(r"listening on https://127\.0\.0\.1:(\d+)", line)
        assert found, line
        self._port = int(found[1])

    async def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing cleaned up."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        async with asyncio.timeout(20):
            _, rest = await process.communicate()
        self.said += rest.decode()
        return process.returncode or 0
