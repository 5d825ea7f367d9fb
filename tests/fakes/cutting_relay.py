"""A TCP relay that can let a request through and swallow its reply, as a bad network does."""

from __future__ import annotations

import asyncio
from contextlib import suppress

_CHUNK = 65_536


class CuttingRelay:
    """Relays to `port`. While `cut` is set, a connection ends when the reply to its second write
    comes: behind TLS that is the answer to the request, after the handshake. `spared` connections
    are let through first.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut = False
        self.spared = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._to)
        writes = 0
        cut = self.cut and self.spared == 0
        self.spared -= 1 if self.spared else 0

        async def upstream() -> None:
            nonlocal writes
            while data := await reader.read(_CHUNK):
                writes += 1
                up_writer.write(data)
            up_writer.write_eof()

        async def downstream() -> None:
            while data := await up_reader.read(_CHUNK):
                if cut and writes >= 2:
                    break
                writer.write(data)
            writer.close()

        with suppress(OSError):
            forward = asyncio.create_task(upstream())
            await downstream()
            forward.cancel()
        up_writer.close()
        self._tasks.discard(task)
