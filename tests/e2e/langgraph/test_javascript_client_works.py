"""The SDK for JavaScript: a run is streamed and, after a cut, taken up where it was."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.components import require_program
from tests.e2e.langgraph.conftest import LangGraph
from tests.fakes.gateway_process import DEADLINE_S

pytestmark = [pytest.mark.program(name) for name in ("langgraph", "langgraph-js", "node")]

STREAM = """
import { Client } from "@langchain/langgraph-sdk";

const [url, gate] = process.argv.slice(2);
const client = new Client({ apiUrl: url, apiKey: null });
const { thread_id } = await client.threads.create();
const options = { streamMode: "custom", streamResumable: true };
const run = client.runs.stream(thread_id, "agent", { input: { steps: 3, gate }, ...options });
for await (const part of run) {
  if (part.event === "custom") console.log(part.data.step);
}
const values = await client.runs.wait(thread_id, "agent", { input: { steps: 1, gate } });
await client.store.putItem(["team"], "note", { text: "here" });
await client.store.deleteItem(["team"], "note");
console.log(JSON.stringify([values.done, await client.store.getItem(["team"], "note")]));
"""


def test_a_stream_is_taken_up_again(langgraph: LangGraph, tmp_path: Path) -> None:
    packages = require_program("langgraph-js")
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    script, gate = tmp_path / "client.mjs", tmp_path / "gate"
    script.write_text(STREAM)
    with subprocess.Popen(
        [str(require_program("node")), str(script), langgraph.url, str(gate)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "0\n"
            for worker in langgraph.gateways.near.status()["workers"]:
                os.kill(worker["pid"], signal.SIGKILL)
            gate.touch()
            out, err = program.communicate(timeout=2 * DEADLINE_S)
        finally:
            program.kill()
    assert program.returncode == 0, err
    assert out.splitlines() == ["1", "2", "[[0,1,2,0],null]"]
