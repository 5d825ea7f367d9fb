from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.configu.schema_files import read_schemas
from identity.errors import InvalidConfigSchema


def put(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_json_and_yaml(tmp_path: Path) -> None:
    schema = read_schemas(
        [
            put(tmp_path, "a.cfgu.json", '{"A": {"required": true}}'),
            put(tmp_path, "b.cfgu.yaml", "keys:\n  B:\n    default: no\n  C:\n"),
        ]
    )
    assert schema["A"].required
    assert schema["B"].default == "no"
    assert set(schema) == {"A", "B", "C"}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.json", "{", "not JSON"),
        ("a.json", '{"A": {}, "A": {}}', "twice"),
        ("a.json", "{}", "declares no config"),
        ("a.yaml", "A: {}\nA: {}\n", "twice"),
        ("a.yaml", "A: &x {}\nB: *x\n", "alias"),
        ("a.yaml", "A: !!python/object/apply:os.system [x]\n", "not YAML"),
        ("a.yml", "A: {}\n---\nB: {}\n", "not YAML"),
        ("a.yml", "A: [", "not YAML"),
        ("a.json", '{"A": "' + "x" * 1024 * 1024 + '"}', "larger"),
    ],
)
def test_what_can_not_be_used_is_named(tmp_path: Path, name: str, text: str, why: str) -> None:
    with pytest.raises(InvalidConfigSchema, match=why) as caught:
        read_schemas([put(tmp_path, name, text)])
    assert name in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigSchema, match="can't be read: no such file"):
        read_schemas([tmp_path / "none.cfgu.json"])


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.cfgu.json")
    with pytest.raises(InvalidConfigSchema, match="not a plain file"):
        read_schemas([tmp_path / "a.cfgu.json"])
