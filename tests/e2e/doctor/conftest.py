"""A gateway that is configured and not started, and doctor's report about it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from tests.fakes.gateway_process import COMMAND, AnyGateway


class Report:
    """What `doctor --json` printed."""

    def __init__(self, code: int, document: dict[str, Any]) -> None:
        self.code = code
        self.findings: list[dict[str, str]] = document["findings"]
        self.ok: bool = document["ok"]

    def at(self, rung: str, about: str | None = None) -> dict[str, str]:
        """The one finding of a rung."""
        (found,) = self.all(rung, about)
        return found

    def all(self, rung: str, about: str | None = None) -> list[dict[str, str]]:
        """All of a rung's."""
        return [
            item
            for item in self.findings
            if item["rung"] == rung and about in (None, item["about"])
        ]

    def results(self, *rungs: str) -> dict[str, str]:
        """The result at each rung that has one finding."""
        return {rung: self.at(rung)["result"] for rung in rungs}

    def failed(self) -> list[str]:
        """The rungs that failed."""
        return [item["rung"] for item in self.findings if item["result"] == "fail"]


def doctor(gateway: AnyGateway, *arguments: str) -> Report:
    """Examine a gateway, with more patience than people have; `arguments` may say otherwise."""
    which = ("--config", str(gateway.config), "--timeout", "20")
    done = subprocess.run(
        [*COMMAND, "doctor", "--json", *which, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | gateway.env,
        timeout=50,
        check=False,
    )
    assert done.stdout, done.stderr
    report = Report(done.returncode, json.loads(done.stdout))
    assert report.ok == (done.returncode == 0)
    return report
