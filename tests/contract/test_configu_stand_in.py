"""What Configu's own client makes of the stand-in by which ours is tested."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.components import require_program
from tests.fakes.configu_server import JWT, ORG, TOKEN, ConfiguServer

SCRIPT = """
const { ConfiguConfigStore, ConfigSet } = require('@configu/ts')
const [url, org, ...tokens] = process.argv.slice(2)
const store = (token, more) =>
  new ConfiguConfigStore({ credentials: { org, token }, endpoint: url, ...more })
const status = async (call) => {
  try { await call() } catch (error) { return error.response ? error.response.status : error.name }
}

async function main() {
  const said = {}
  for (const token of tokens) {
    await store(token).set([{ set: 'prod', key: 'A', value: token }])
    said[token] = await store(token).get([{ set: 'prod', key: 'A' }, { set: '', key: 'A' }])
  }
  said.tagged = await store(tokens[0], { tag: 'v1' }).get([{ set: '', key: 'A' }])
  said.nobody = await status(() => store('of-nobody').get([{ set: '', key: 'A' }]))
  said.pending = await status(() => store(tokens[0]).set([{ set: 'safe', key: 'A', value: '1' }]))
  await store(tokens[0]).set([{ set: 'prod', key: 'A', value: '' }])
  said.deleted = await store(tokens[0]).get([{ set: 'prod', key: 'A' }])
  said.hierarchy = new ConfigSet('/prod/eu').hierarchy
  console.log(JSON.stringify(said))
}
main()
"""


@pytest.mark.program("node")
@pytest.mark.program("configu-ts")
def test_the_javascript_client(tmp_path: Path) -> None:
    script = tmp_path / "client.js"
    script.write_text(SCRIPT)
    folder = require_program("configu-ts")
    with ConfiguServer() as server:
        server.protected.add("safe")
        server.tagged["v1"] = {("", "A"): "then"}
        done = subprocess.run(
            [str(require_program("node")), str(script), server.url, ORG, TOKEN, JWT],
            env=os.environ | {"NODE_PATH": str(folder / "node_modules")},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    for token in (TOKEN, JWT):
        assert said[token] == [{"set": "prod", "key": "A", "value": token}]
    assert said["tagged"] == [{"set": "", "key": "A", "value": "then"}]
    assert said["nobody"] == 401
    assert said["pending"] == "ConfiguConfigStoreApprovalQueueError"
    assert said["deleted"] == []
    assert said["hierarchy"] == ["", "prod", "prod/eu"]
