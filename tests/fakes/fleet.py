"""Several remote agents behind one route, and a ledger of what each of them was asked to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, Self

from tests.fakes.authority import Authority, server_context
from tests.fakes.raw_client import RawClient, Response
from tests.fakes.scripted_upstream import Script, ScriptedUpstream
from tests.fakes.worker_rig import PEER, WorkerRig


class Fleet:
    """One upstream for each script, on an address of its own, behind one worker.

    Attributes:
        upstreams: in the order of the scripts.
    """

    def __init__(
        self,
        authority: Authority,
        scripts: Iterable[Script],
        *,
        more_ports: Iterable[int] = (),
        **options: Any,
    ) -> None:
        self._stack = ExitStack()
        context = server_context(authority.issue("localhost", PEER), authority)
        self.upstreams = [
            self._stack.enter_context(ScriptedUpstream(context, script)) for script in scripts
        ]
        ports = [*more_ports, *(upstream.port for upstream in self.upstreams)]
        self.worker = self._stack.enter_context(WorkerRig(authority, ports, **options))
        self._sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def connect(self) -> RawClient:
        """A client that is closed with the fleet."""
        return self._stack.enter_context(self.worker.connect())

    def post(self, client: RawClient, *lines: str) -> Response:
        """A POST with a number of its own."""
        self._sent += 1
        return client.post(b"{}", "/mcp", f"X-Number: {self._sent}", *lines)

    def posts(self, client: RawClient, times: int) -> Counter[int]:
        """The statuses of several."""
        return Counter(self.post(client).status for _ in range(times))

    @property
    def ledger(self) -> Counter[str]:
        """How often each numbered request was seen by any upstream."""
        seen = [item for upstream in self.upstreams for item in upstream.requests]
        return Counter(item.fields["x-number"] for item in seen if "x-number" in item.fields)

    def assert_once(self) -> None:
        """No request was carried out twice."""
        assert set(self.ledger.values()) <= {1}

    def ejected(self) -> set[int]:
        """The ports that are left out now."""
        ejected = self.worker.stats().ejected
        return {int(address.rpartition(":")[2]) for address, out in ejected.items() if out}

    def log(self) -> list[str]:
        """What the worker had to say."""
        return [event["message"] for event in self.worker.events("log")]
