"""The process in which a value is checked against its declaration.

A declaration's expressions are somebody else's, and Python's engine may go back and forth over a
value for ever, holding the interpreter: this process can be killed. It reads requests from its
standard input, answers on its standard output, and ends when its input ends. No value is in its
arguments, environment or log.
"""

from __future__ import annotations

import sys
from typing import Final

from identity.configu.schema import declaration
from identity.hardening import harden_process
from identity.secret_stores.keychain_frames import Sink, Source, read_frame, write_frame

#: Of the processor, in all: it ends as well when nobody is left who could kill it.
_MOST_S: Final = 120


def serve(requests: Source, answers: Sink) -> None:
    """Answer {"key", "declared", "value"} by {"problem"} until there is no more."""
    while (request := read_frame(requests)) is not None:
        cfgu = declaration(request["key"], request["declared"])
        write_frame(answers, {"problem": cfgu.problem(request["value"])})


def main() -> None:
    """Serve the standard streams."""
    harden_process()
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (_MOST_S, _MOST_S))
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
