"""The socket of the Workload API: who may connect, how many, and by which rules."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from certs.clock import SystemClock
from certs.errors import ReplyRejected, SourceUnavailable
from certs.sources.grpc_stream import GrpcStream
from certs.sources.workload_messages import read_svids
from gateway.config.model import WorkloadApiConfig, WorkloadRule
from gateway.control_plane import workload_server
from gateway.control_plane.identity_board import IdentityBoard
from gateway.control_plane.workload_server import WorkloadServer
from gateway.control_plane.workload_service import WorkloadCaller
from identity.endpoint import UnixEndpoint
from tests.fakes.certificates import root, to_pem
from tests.fakes.feeds import generation

WITHIN_S = 20
ME = os.geteuid()
PYTHON = os.path.realpath(sys.executable)
PATH = "/SpiffeWorkloadAPI/FetchX509SVID"
SECURITY = {"workload.spiffe.io": "true"}


class Listener:
    def __init__(self) -> None:
        self.served: list[WorkloadCaller] = []
        self.denied: list[WorkloadCaller] = []

    async def hand_out(self, caller: WorkloadCaller, what: str) -> None:
        self.served.append(caller)

    def refused(self, caller: WorkloadCaller, why: str) -> None:
        self.denied.append(caller)


class Rig:
    def __init__(self, folder: Path, *rules: WorkloadRule) -> None:
        self.path = folder / "w.sock"
        self.board = IdentityBoard()
        self.board.put("default", generation())
        self.listener = Listener()
        self.server = WorkloadServer(
            self.api(*rules), self.board, lambda: ("default",), self.listener, clock=SystemClock()
        )

    def api(self, *rules: WorkloadRule) -> WorkloadApiConfig:
        return WorkloadApiConfig(socket=self.path, allow=rules)

    @property
    def mode(self) -> int:
        return stat.S_IMODE(self.path.stat().st_mode)

    async def call(self) -> GrpcStream:
        return await GrpcStream.call(
            UnixEndpoint(str(self.path)), PATH, metadata=SECURITY, timeout_s=WITHIN_S
        )


@asynccontextmanager
async def running(folder: Path, *rules: WorkloadRule) -> AsyncIterator[Rig]:
    rig = Rig(folder, *rules)
    await rig.server.start()
    try:
        async with asyncio.timeout(WITHIN_S):
            yield rig
    finally:
        await rig.server.close()
    assert not rig.path.exists()


async def test_our_own_user_is_served_and_known_by_program(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        stream = await rig.call()
        (svid,) = read_svids(await stream.message())
        assert svid.spiffe_id == generation().spiffe_id
        await stream.close()
    (caller,) = rig.listener.served
    assert caller == WorkloadCaller(uid=ME, pid=os.getpid(), exe=PYTHON)


async def test_the_socket_is_open_to_others_only_where_a_rule_names_one(tmp_path: Path) -> None:
    async with running(tmp_path, WorkloadRule(uid=ME)) as rig:
        assert rig.mode == 0o600
        await rig.server.use(rig.api(WorkloadRule(uid=54321)))
        assert rig.mode == 0o666
        await rig.server.use(rig.api(WorkloadRule(uid=0)))
        assert rig.mode == 0o600
    async with running(tmp_path, WorkloadRule(uid=54321)) as rig:
        assert rig.mode == 0o666


async def test_a_rule_that_goes_ends_the_stream_and_one_that_comes_lets_in(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as rig:
        stream = await rig.call()
        await stream.message()
        await rig.server.use(rig.api(WorkloadRule(uid=54321)))
        with pytest.raises(SourceUnavailable, match="permission denied"):
            await stream.message()
        await stream.close()
        other = await rig.call()
        with pytest.raises(SourceUnavailable, match="permission denied"):
            await other.message()
        await other.close()
        await rig.server.use(rig.api(WorkloadRule(uid=ME, exe=PYTHON)))
        again = await rig.call()
        await again.message()
        await again.close()
    assert [caller.uid for caller in rig.listener.denied] == [ME, ME]


async def test_one_user_has_so_many_connections_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload_server, "MOST_CONNECTIONS_OF_ONE_USER", 3)
    async with running(tmp_path) as rig:
        streams = [await rig.call() for _ in range(3)]
        for stream in streams:
            await stream.message()
        late = await rig.call()
        with pytest.raises((SourceUnavailable, ReplyRejected)):
            await late.message()
        await late.close()
        await streams.pop().close()
        # The place is free once the server has seen the end.
        while True:
            stream = await rig.call()
            try:
                await stream.message()
            except SourceUnavailable:
                await stream.close()
                continue
            break
        for item in (*streams, stream):
            await item.close()


async def test_the_end_ends_what_is_open(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        stream = await rig.call()
        await stream.message()
        await rig.server.close()
        with pytest.raises(SourceUnavailable, match="the gateway is stopping"):
            await stream.message()
        await stream.close()


async def test_renewals_reach_every_stream(tmp_path: Path) -> None:
    bundle = to_pem(root().certificate)
    async with running(tmp_path) as rig:
        streams = [await rig.call() for _ in range(5)]
        for stream in streams:
            await stream.message()
        rig.board.put("default", replace(generation(2), bundle_pem=bundle))
        for stream in streams:
            (svid,) = read_svids(await stream.message())
            assert svid.bundle
            await stream.close()
