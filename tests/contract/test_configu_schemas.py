"""What Configu's own client makes of schemas, values and sets, and what ours makes of them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from identity.configu.client import ConfiguClient
from identity.configu.config_set import ConfigSet, effective
from identity.configu.schema import evaluated, problems, read_schema
from identity.configu.value_types import CHECKS
from identity.errors import InvalidConfigSchema
from identity.secret_stores.base import Secret
from tests.components import require_program
from tests.fakes.configu_server import ORG, TOKEN, ConfiguServer
from tests.unit.identity.configu.test_value_types import GOOD_AND_BAD

SCRIPT = """
const { ConfiguConfigStore, ConfigSet, ConfigSchema, EvalCommand } = require('@configu/ts')
const input = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const types = ConfigSchema.CFGU.VALIDATORS.TYPE
const evaluate = async ({ set, schema }) => {
  const store = new ConfiguConfigStore(
    { credentials: { org: input.org, token: input.token }, endpoint: input.url })
  try {
    const command = new EvalCommand(
      { store, set: new ConfigSet(set), schema: new ConfigSchema('app', schema) })
    const result = await command.run()
    return Object.fromEntries(Object.entries(result).map(([k, v]) => [k, v.result.value]))
  } catch (error) { return 'refused' }
}
async function main() {
  const said = { types: {}, evaluated: [] }
  for (const [type, values] of Object.entries(input.types))
    if (types[type]) said.types[type] = values.map((value) => types[type]({ value, pattern: '.' }))
  for (const one of input.evaluate) said.evaluated.push(await evaluate(one))
  console.log(JSON.stringify(said))
}
main()
"""
#: Of lists that others keep up only the form is checked, and what a regular expression is for is
#: said by the pattern.
FORMS = {name for name in CHECKS if name.endswith("Region")}
FORMS |= {"Country", "Currency", "Language", "Locale", "MobilePhone", "RegEx", "JSONSchema"}
CONFIGS = {
    ("", "A"): "root",
    ("prod", "A"): "prod",
    ("prod/eu", "A"): "eu",
    ("", "B"): "b",
    ("other", "C"): "elsewhere",
    ("prod", "N"): "12",
    ("prod", "O"): "z",
}
EVALUATED: list[dict[str, Any]] = [
    {"set": "", "schema": {"A": {"type": "String"}, "C": {"type": "String", "default": "d"}}},
    {"set": "prod/eu", "schema": {"A": {"type": "String"}, "B": {"type": "String"}}},
    {"set": "prod", "schema": {"A": {"type": "String", "default": "d", "depends": ["B"]}}},
    {"set": "prod", "schema": {"N": {"type": "Number"}}},
    {"set": "prod", "schema": {"N": {"type": "Boolean"}}},
    {"set": "prod", "schema": {"N": {"type": "RegEx", "pattern": "^[0-9]$"}}},
    {"set": "prod", "schema": {"O": {"type": "String", "options": ["a", "b"]}}},
    {"set": "prod", "schema": {"C": {"type": "String", "required": True}}},
    {"set": "", "schema": {"A": {"type": "String", "depends": ["C"]}, "C": {"type": "String"}}},
    {"set": "", "schema": {"A": {"type": "String", "required": True, "default": "d"}}},
]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    script = tmp_path_factory.mktemp("node") / "client.js"
    script.write_text(SCRIPT)
    folder = require_program("configu-ts")
    types = {name: [*good, *bad] for name, (good, bad) in GOOD_AND_BAD.items()}
    with ConfiguServer() as server:
        server.configs = dict(CONFIGS)
        told = {"org": ORG, "token": TOKEN, "url": server.url, "types": types}
        done = subprocess.run(
            [str(require_program("node")), str(script)],
            input=json.dumps(told | {"evaluate": EVALUATED}),
            env=os.environ | {"NODE_PATH": str(folder / "node_modules")},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.program("node")
@pytest.mark.program("configu-ts")
def test_types_take_the_same_values(said: dict[str, Any]) -> None:
    assert len(said["types"]) > 25
    for name, verdicts in said["types"].items():
        if name in FORMS:
            continue
        values = [*GOOD_AND_BAD[name][0], *GOOD_AND_BAD[name][1]]
        ours = [CHECKS[name](value) for value in values]
        assert dict(zip(values, ours, strict=True)) == dict(zip(values, verdicts, strict=True)), (
            name
        )


@pytest.mark.program("node")
@pytest.mark.program("configu-ts")
@pytest.mark.parametrize("index", range(len(EVALUATED)))
async def test_a_schema_comes_to_the_same(said: dict[str, Any], index: int) -> None:
    theirs = said["evaluated"][index]
    wanted = EVALUATED[index]
    try:
        schema = read_schema(wanted["schema"])
    except InvalidConfigSchema:
        assert theirs == "refused"
        return
    hierarchy = ConfigSet(wanted["set"]).hierarchy
    with ConfiguServer() as server:
        server.configs = dict(CONFIGS)
        client = ConfiguClient(org=ORG, token=Secret(TOKEN), endpoint=server.url)
        found = await client.get(hierarchy, schema)
    values = evaluated(schema, effective(found, hierarchy, schema))
    if theirs == "refused":
        assert problems(schema, values)
    else:
        assert problems(schema, values) == {}
        assert values == {key: value for key, value in theirs.items() if value}
