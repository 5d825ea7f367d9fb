"""A port at which connection attempts get no answer, as at a machine that is gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def black_hole() -> Iterator[int]:
    """The port. A listener that accepts nothing drops what comes once its queue is full."""
    with ExitStack() as cleanup:
        listening = cleanup.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        while True:
            filler = cleanup.enter_context(socket.socket())
            filler.settimeout(0.3)
            try:
                filler.connect(address)
            except TimeoutError:
                break
        yield address[1]
