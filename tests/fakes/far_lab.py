"""A worker whose upstream is at the other end of a cable that can be cut."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gateway.ipc.snapshot import LimitsSpec
from tests.fakes.authority import Authority, server_context
from tests.fakes.scripted_upstream import Script, ScriptedUpstream
from tests.fakes.wire import FAR, Wire
from tests.fakes.worker_rig import PEER, WorkerRig


class FarLab:
    """A worker at the near end, with an upstream at the far end; clients come by a Unix socket."""

    def __init__(
        self, wire: Wire, authority: Authority, script: Script, folder: Path, limits: LimitsSpec
    ) -> None:
        context = server_context(authority.issue("localhost", PEER), authority)
        self.upstream = wire.call(wire.far, lambda: ScriptedUpstream(context, script, address=FAR))
        self.worker = WorkerRig(
            authority,
            [self.upstream.port],
            limits=limits,
            unix_socket=folder / "worker.sock",
            within=wire.within(wire.near),
        )
        self.worker.change(upstream={"addresses": ((FAR, self.upstream.port),)})

    def close(self) -> None:
        self.worker.stop()
        with suppress(TimeoutError):
            self.upstream.close()
