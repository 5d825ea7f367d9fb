"""A worker, started by the supervisor only: `python -I -m gateway.data_plane [GRANT…] FD`."""

from __future__ import annotations

import gc
import signal
import socket
import sys

from gateway.data_plane.confinement import confine
from gateway.data_plane.link import SupervisorLink
from identity.hardening import harden_process


def main() -> int:
    """Serve on the inherited socket pair until the supervisor is done with us."""
    # The supervisor decides when a worker ends; a Ctrl-C reaches the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    harden_process()
    *grants, descriptor = sys.argv[1:]
    link = SupervisorLink(socket.socket(fileno=int(descriptor)))
    try:
        confine(grants)
    except OSError as error:
        sys.stderr.write(f"not confined: {error.strerror}\n")
    # What exists now lives for ever: keep the collector from walking it again and again.
    gc.freeze()
    link.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
