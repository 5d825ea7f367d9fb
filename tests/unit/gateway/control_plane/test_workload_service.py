"""What a caller of the Workload API gets: who is entitled to what, and how each call ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.generation import Generation
from certs.sources.workload_messages import read_svids
from gateway.config.model import WorkloadApiConfig, WorkloadRule
from gateway.control_plane.grpc_message import CallFailed, Code
from gateway.control_plane.identity_board import IdentityBoard
from gateway.control_plane.workload_service import WorkloadCaller, WorkloadService, entitled
from gateway.errors import GatewayError
from tests.fakes.certificates import root, to_pem
from tests.fakes.feeds import generation
from tests.fakes.workload_client import MESSAGES

NAMES = ("default", "billing", "mcp/planner")
SOCKET = Path("/run/w.sock")
HEADER = {"workload.spiffe.io": "true"}
SVIDS = "/SpiffeWorkloadAPI/FetchX509SVID"
BUNDLES = "/SpiffeWorkloadAPI/FetchX509Bundles"
ONE, TWO = (to_pem(root(name).certificate) for name in ("one", "two"))


def names(*rules: WorkloadRule, uid: int | None = 1000, exe: str = "") -> tuple[str, ...]:
    api = WorkloadApiConfig(socket=SOCKET, allow=rules)
    return entitled(api, WorkloadCaller(uid=uid, exe=exe), NAMES, own_uid=1000)


def test_without_rules_our_own_user_gets_everything_and_nobody_else_anything() -> None:
    assert names() == NAMES
    assert names(uid=1001) == ()
    assert names(uid=0) == ()
    assert names(uid=None) == ()


def test_rules_name_users_programs_and_identities() -> None:
    rules = (
        WorkloadRule(uid=1001, identities=("mcp/planner",)),
        WorkloadRule(uid=1001, exe="/bin/a", identities=("billing", "default")),
        WorkloadRule(uid=0),
    )
    assert names(*rules, uid=1001) == ("mcp/planner",)
    assert names(*rules, uid=1001, exe="/bin/a") == NAMES
    assert names(*rules, uid=1001, exe="/bin/ab") == ("mcp/planner",)
    assert names(*rules, uid=0) == NAMES
    assert names(*rules, uid=1000) == ()  # with rules our own user needs one, too
    assert names(*rules, uid=None) == ()


def item(spiffe_id: str, number: int = 1, bundle: bytes = ONE) -> Generation:
    return replace(generation(number), spiffe_id=spiffe_id, bundle_pem=bundle)


class Told:
    """What the service tells its listener."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fault: GatewayError | None = None

    async def hand_out(self, caller: WorkloadCaller, what: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.lines.append(f"{caller} got {what}")

    def refused(self, caller: WorkloadCaller, why: str) -> None:
        self.lines.append(why)


class Rig:
    def __init__(self) -> None:
        self.board = IdentityBoard()
        self.told = Told()
        self.granted: tuple[str, ...] = NAMES
        self.service = WorkloadService(
            WorkloadCaller(uid=7, pid=8, exe="/bin/x"),
            lambda: self.granted,
            self.board,
            self.told,
            lambda: datetime.now(UTC),
        )

    def call(self, path: str = SVIDS) -> AsyncGenerator[bytes, None]:
        return self.service.answers(path, HEADER)


async def ending(answers: AsyncGenerator[bytes, None]) -> Code:
    with pytest.raises(CallFailed) as caught:
        await anext(answers)
    return caught.value.code


@pytest.mark.parametrize(
    "metadata", [{}, {"workload.spiffe.io": "True"}, {"workload.spiffe.io": "true, true"}]
)
@pytest.mark.parametrize("path", [SVIDS, BUNDLES, "/SpiffeWorkloadAPI/FetchJWTSVID", "/x"])
def test_nothing_is_answered_without_the_security_header(
    metadata: dict[str, str], path: str
) -> None:
    with pytest.raises(CallFailed) as caught:
        Rig().service.answers(path, metadata)
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "path",
    [
        "/SpiffeWorkloadAPI/FetchJWTSVID",
        "/SpiffeWorkloadAPI/FetchJWTBundles",
        "/SpiffeWorkloadAPI/ValidateJWTSVID",
        "/SpiffeWorkloadAPI/",
        "/spiffeworkloadapi/FetchX509SVID",
        "/other/FetchX509SVID",
        "FetchX509SVID",
    ],
)
def test_other_methods_are_not_implemented(path: str) -> None:
    with pytest.raises(CallFailed) as caught:
        Rig().call(path)
    assert caught.value.code is Code.UNIMPLEMENTED


async def test_several_svids_with_hints_and_each_renewal() -> None:
    rig = Rig()
    rig.board.put("billing", item("spiffe://acme.example/b"))
    rig.board.put("default", item("spiffe://acme.example/a"))
    answers = rig.call()
    first = read_svids(await anext(answers))
    assert [(svid.spiffe_id, svid.hint) for svid in first] == [
        ("spiffe://acme.example/a", "default"),
        ("spiffe://acme.example/b", "billing"),
    ]
    rig.board.put("mcp/planner", item("spiffe://acme.example/a/agent/planner"))
    assert len(read_svids(await anext(answers))) == 3
    rig.granted = ("billing",)
    rig.board.tell()
    assert [svid.hint for svid in read_svids(await anext(answers))] == ["billing"]
    assert rig.told.lines[0] == (
        "uid:7 pid:8 exe:/bin/x got spiffe://acme.example/a serial 01, "
        "spiffe://acme.example/b serial 01"
    )
    await answers.aclose()


async def test_a_change_that_isnt_the_callers_is_not_pushed() -> None:
    rig = Rig()
    rig.granted = ("default",)
    rig.board.put("default", item("spiffe://acme.example/a"))
    answers = rig.call()
    await anext(answers)
    rig.board.put("billing", item("spiffe://acme.example/b"))
    rig.board.put("default", item("spiffe://acme.example/c"))
    (svid,) = read_svids(await anext(answers))
    assert svid.spiffe_id == "spiffe://acme.example/c"
    await answers.aclose()


@pytest.mark.parametrize("path", [SVIDS, BUNDLES])
async def test_how_a_call_without_an_svid_ends(path: str) -> None:
    rig = Rig()
    assert await ending(rig.call(path)) is Code.UNAVAILABLE
    rig.board.put("default", generation(lifetime_s=-1))
    assert await ending(rig.call(path)) is Code.UNAVAILABLE
    rig.board.put("default", item(""))
    assert await ending(rig.call(path)) is Code.PERMISSION_DENIED
    rig.granted = ()
    assert await ending(rig.call(path)) is Code.PERMISSION_DENIED
    assert rig.told.lines == ["no identity is for uid:7 pid:8 exe:/bin/x"]


@pytest.mark.parametrize("path", [SVIDS, BUNDLES])
async def test_the_last_svid_is_taken_away_by_the_end_of_the_stream(path: str) -> None:
    rig = Rig()
    rig.board.put("default", item("spiffe://acme.example/a"))
    answers = rig.call(path)
    await anext(answers)
    withdrawn = generation(lifetime_s=-1)
    rig.board.put("default", withdrawn)
    assert await ending(answers) is Code.PERMISSION_DENIED

    rig.board.put("default", item("spiffe://acme.example/a"))
    answers = rig.call(path)
    await anext(answers)
    rig.granted = ()
    rig.board.tell()
    assert await ending(answers) is Code.PERMISSION_DENIED


async def test_no_key_leaves_that_the_journal_doesnt_take() -> None:
    rig = Rig()
    rig.told.fault = GatewayError("the disk is full")
    rig.board.put("default", item("spiffe://acme.example/a"))
    assert await ending(rig.call()) is Code.UNAVAILABLE


async def test_bundles_are_by_trust_domain_and_those_of_one_domain_together() -> None:
    rig = Rig()
    rig.board.put("default", item("spiffe://acme.example/a", bundle=ONE))
    rig.board.put("billing", item("spiffe://acme.example/b", bundle=ONE + TWO))
    rig.board.put("mcp/planner", item("spiffe://other.example/b", bundle=TWO))
    answers = rig.call(BUNDLES)
    bundles = MESSAGES["X509BundlesResponse"].FromString(await anext(answers)).bundles
    assert set(bundles) == {"spiffe://acme.example", "spiffe://other.example"}
    assert len(bundles["spiffe://acme.example"]) > len(bundles["spiffe://other.example"])
    # A renewal with the same authorities is no news.
    rig.board.put("default", item("spiffe://acme.example/a", 2, bundle=ONE))
    rig.board.put("mcp/planner", item("spiffe://third.example/b", bundle=TWO))
    bundles = MESSAGES["X509BundlesResponse"].FromString(await anext(answers)).bundles
    assert set(bundles) == {"spiffe://acme.example", "spiffe://third.example"}
    await answers.aclose()
