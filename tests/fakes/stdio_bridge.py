"""`devwiz-gw stdio` as a real process, spoken to by hand."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any, Self

from tests.fakes.gateway_process import COMMAND, DEADLINE_S, GatewayProcess


class StdioBridge:
    """One that leads to the route `planner`."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "stdio", "planner", "--config", str(gateway.config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | gateway.env,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)

    def say(self, **message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def call(self, number: int, name: str, **arguments: Any) -> None:
        params = {"name": name, "arguments": arguments}
        self.say(id=number, method="tools/call", params=params)

    def begin(self) -> None:
        params = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        }
        self.say(id=0, method="initialize", params=params)
        assert self.hear()["result"]["protocolVersion"] == "2025-06-18"
        self.say(method="notifications/initialized")
