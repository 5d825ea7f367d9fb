from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.config.model import Config
from gateway.control_plane.admin_api import AdminApi, peer_of
from gateway.control_plane.status import GatewayState
from gateway.control_plane.views import IdentityView
from gateway.errors import StartFailed
from gateway.injection.ancestors import ProcessGone, agent_behind
from tests.unit.gateway.control_plane.test_status import gateway_state

CLIENT = """
import os, socket, sys
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"POST /drain HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
while data := s.recv(65536):
    sys.stdout.buffer.write(data)
"""


class FakeControls:
    def __init__(self) -> None:
        self.called: list[str] = []
        self.fault: StartFailed | None = None
        self.shown = gateway_state()

    async def state(self) -> GatewayState:
        return self.shown

    async def reload(self) -> None:
        self.called.append("reload")
        if self.fault:
            raise self.fault

    async def replace_workers(self, deadline_s: float | None) -> None:
        self.called.append(f"replace {deadline_s}")
        if self.fault:
            raise self.fault

    async def renew(self, name: str) -> IdentityView | None:
        self.called.append(f"renew {name}")
        return self.shown.identities.get(name)

    def drain(self) -> None:
        self.called.append("drain")

    async def material(self, name: str, who: str, *, but: str, wait_s: float) -> dict[str, Any]:
        self.called.append(f"material {name} {who} {but} {wait_s:g}")
        if self.fault:
            raise self.fault
        return {"identity": name}

    def certificates(self, name: str) -> dict[str, Any]:
        if self.fault:
            raise self.fault
        return {"identity": name}

    def denied(self, uid: int, what: str, *, agent: str = "") -> None:
        self.called.append(f"denied {uid} {what} {agent}".rstrip())


class FakeHistory:
    def latest(self, count: int, *, failed: bool) -> list[dict[str, Any]]:
        return [{"id": f"ab-{number:x}", "failed": failed} for number in range(count)]

    def explained(self, key: str, config: Config) -> list[dict[str, Any]]:
        return [{"request": {"id": key}, "project": config.project}] if key == "ab-1" else []


class FakeRotations:
    async def listed(self) -> dict[str, Any]:
        return {"rotations": []}

    async def plan(self, name: str) -> dict[str, Any]:
        return {"name": name}

    async def ask(
        self, name: str, action: str, *, who: str, value: str = "", old_key: str = ""
    ) -> dict[str, Any]:
        return {"name": name, "action": action, "who": who, "value": value, "old_key": old_key}

    async def refresh(self) -> None:
        """Nothing to read."""


@asynccontextmanager
async def api(
    folder: Path, controls: FakeControls, *, behind: Callable[[int], str] = agent_behind
) -> AsyncIterator[Path]:
    path = folder / "admin.sock"
    made = AdminApi(path, controls, FakeHistory(), FakeRotations(), agent_behind=behind)
    await made.start()
    try:
        yield path
    finally:
        await made.close()


async def ask(path: Path, method: str, target: str) -> tuple[int, str, Any]:
    connector = aiohttp.UnixConnector(path=str(path))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"http://gw{target}") as reply,
    ):
        text = await reply.text()
        return reply.status, reply.content_type, json.loads(text) if text[:1] == "{" else text


async def test_the_socket_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    async with api(tmp_path, FakeControls()) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


@pytest.mark.parametrize(
    ("method", "target", "code"),
    [
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/startupz", 200),
        ("GET", "/status", 200),
        ("GET", "/metrics", 200),
        ("GET", "/requests", 200),
        ("GET", "/requests/ab-1", 200),
        ("GET", "/requests/ab-2", 404),
        ("GET", "/requests/..%2Fstatus", 404),
        ("GET", "/requests?last=0", 400),
        ("GET", "/requests?last=1001", 400),
        ("GET", "/requests?last=-1", 400),
        ("GET", "/requests?last=\u0661", 400),
        ("POST", "/identity/renew", 200),
        ("POST", "/reload", 200),
        ("POST", "/workers/replace", 200),
        ("POST", "/workers/replace?deadline_s=soon", 400),
        ("POST", "/workers/replace?deadline_s=-1", 400),
        ("POST", "/workers/replace?deadline_s=nan", 400),
        ("GET", "/reload", 405),
        ("GET", "/nothing", 404),
    ],
)
async def test_endpoints(tmp_path: Path, method: str, target: str, code: int) -> None:
    async with api(tmp_path, FakeControls()) as path:
        assert (await ask(path, method, target))[0] == code


async def test_metrics_name_their_format(tmp_path: Path) -> None:
    async with (
        api(tmp_path, FakeControls()) as path,
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(path))) as session,
        session.get("http://gw/metrics") as reply,
    ):
        assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_requests_are_listed_and_explained(tmp_path: Path) -> None:
    async with api(tmp_path, FakeControls()) as path:
        _, _, body = await ask(path, "GET", "/requests?last=2&failed=1")
        assert body["requests"] == [{"id": f"ab-{n}", "failed": True} for n in range(2)]
        _, _, body = await ask(path, "GET", "/requests?failed=0")
        assert body["requests"] == [{"id": f"ab-{n:x}", "failed": False} for n in range(20)]
        _, _, body = await ask(path, "GET", "/requests/ab-1")
        assert body["requests"] == [{"request": {"id": "ab-1"}, "project": "acme"}]
        _, _, body = await ask(path, "GET", "/requests/ab-2")
        assert body["title"] == "no request of that id is remembered"


async def test_a_refused_reload_says_why_as_a_problem(tmp_path: Path) -> None:
    controls = FakeControls()
    controls.fault = StartFailed("port taken", hint="stop the other one")
    async with api(tmp_path, controls) as path:
        code, content_type, body = await ask(path, "POST", "/reload")
    assert (code, content_type) == (409, "application/problem+json")
    assert (body["title"], body["detail"]) == ("port taken", "stop the other one")


async def test_workers_are_replaced_with_a_deadline_or_without(tmp_path: Path) -> None:
    controls = FakeControls()
    async with api(tmp_path, controls) as path:
        _, _, body = await ask(path, "POST", "/workers/replace")
        assert [worker["state"] for worker in body["workers"]] == ["ready"]
        await ask(path, "POST", "/workers/replace?deadline_s=1.5")
        controls.fault = StartFailed("a fresh worker died", hint="the old ones go on")
        code, _, body = await ask(path, "POST", "/workers/replace")
    assert (code, body["detail"]) == (409, "the old ones go on")
    assert controls.called == ["replace None", "replace 1.5", "replace None"]


async def test_a_renewal_is_answered_with_when_it_is_possible(tmp_path: Path) -> None:
    controls = FakeControls()
    async with api(tmp_path, controls) as path:
        _, _, body = await ask(path, "POST", "/identity/renew")
        assert body == {"ok": True, "age_s": 0.0, "possible_in_s": 0.0}
        now = datetime.now(UTC)
        young = replace(
            controls.shown.identities["default"],
            since=now - timedelta(seconds=100),
            earliest_renewal=now + timedelta(seconds=764),
        )
        controls.shown = replace(controls.shown, identities={"default": young})
        _, _, body = await ask(path, "POST", "/identity/renew")
    assert body["age_s"] == pytest.approx(100, abs=30)
    assert body["possible_in_s"] == pytest.approx(764, abs=30)


async def test_a_renewal_is_of_the_identity_that_is_named(tmp_path: Path) -> None:
    controls = FakeControls()
    other = controls.shown.identities["default"]
    controls.shown = replace(controls.shown, identities={"first": other, "billing": other})
    async with api(tmp_path, controls) as path:
        assert (await ask(path, "POST", "/identity/renew?name=billing"))[0] == 200
        assert (await ask(path, "POST", "/identity/renew"))[0] == 200
        code, _, body = await ask(path, "POST", "/identity/renew?name=nobody")
    assert controls.called[:2] == ["renew billing", "renew first"]
    assert (code, body["detail"]) == (404, "there are: first, billing")


async def test_one_route_can_be_asked_for(tmp_path: Path) -> None:
    async with api(tmp_path, FakeControls()) as path:
        code, _, body = await ask(path, "GET", "/readyz/planner")
        assert (code, body["ready"]) == (200, True)
        assert (await ask(path, "GET", "/readyz/nobody"))[0] == 404


async def test_drain_is_answered_before_it_begins(tmp_path: Path) -> None:
    controls = FakeControls()
    async with api(tmp_path, controls) as path:
        assert (await ask(path, "POST", "/drain"))[2] == {"ok": True}
        assert controls.called == []
        await asyncio.sleep(0.1)
        assert controls.called == ["drain"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_another_user_is_refused_even_if_the_mode_lets_them_in(tmp_path: Path) -> None:
    controls = FakeControls()
    async with api(tmp_path, controls) as path:
        # What the mode forbids is opened here on purpose: the credentials are a second lock.
        path.chmod(0o666)
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | 0o011)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, str(path), "65534", stdout=subprocess.PIPE
        )
        async with asyncio.timeout(10):
            output, _ = await process.communicate()
    assert output.startswith(b"HTTP/1.1 403 ")
    assert controls.called == ["denied 65534 POST /drain"]


def test_the_kernel_names_the_user_at_the_other_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_of(ours) == (os.getpid(), os.geteuid())
    assert peer_of(None) is None


POST = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
body = b'{"name": "key"}'
head = "POST %s HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Type: application/json"
head += "\\r\\nContent-Length: %d\\r\\n\\r\\n"
s.sendall((head % (sys.argv[2], len(body))).encode() + body)
while data := s.recv(65536):
    sys.stdout.buffer.write(data)
"""
IN_CHILD = "import subprocess, sys; subprocess.run(sys.argv[1:], env={}, check=True)"


@pytest.mark.parametrize(
    "target", ["/rotations", "/identity/export", "/reload", "/drain", "/workers/replace"]
)
@pytest.mark.parametrize(
    ("mark", "in_child", "status"),
    [
        ({}, False, 200),
        ({}, True, 200),
        ({"CLAUDECODE": "1"}, False, 403),
        ({"CURSOR_AGENT": "1"}, True, 403),
    ],
)
async def test_an_agent_gets_no_keys_changes_no_secrets_and_steers_nothing(
    tmp_path: Path, target: str, mark: dict[str, str], *, in_child: bool, status: int
) -> None:
    """Not by the socket itself either, nor from a child whose environment it emptied."""
    controls = FakeControls()
    command = [sys.executable, "-c", POST]
    if in_child:
        command = [sys.executable, "-c", IN_CHILD, *command]
    async with api(tmp_path, controls) as path:
        asking = await asyncio.create_subprocess_exec(
            *command, str(path), target, env=mark, stdout=asyncio.subprocess.PIPE
        )
        answer, _ = await asking.communicate()
    assert int(answer.split()[1]) == status, answer
    refused = [item for item in controls.called if item.startswith("denied")]
    assert bool(refused) is (status == 403)
    if refused:
        assert f"POST {target} C" in refused[0]
        assert re.search(rb'"title": "C[a-zA-Z ]+ asks for it: ', answer), "by its own name"
        assert len(controls.called) == 1, "and nothing was done"


async def test_who_has_ended_gets_no_keys(tmp_path: Path) -> None:
    def gone(pid: int) -> str:
        raise ProcessGone(str(pid))

    controls = FakeControls()
    async with api(tmp_path, controls, behind=gone) as path:
        assert (await ask(path, "POST", "/identity/export"))[0] == 403
        assert (await ask(path, "POST", "/reload"))[0] == 403
        assert (await ask(path, "POST", "/identity/renew"))[0] == 200
