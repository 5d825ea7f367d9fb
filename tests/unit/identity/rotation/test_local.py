from __future__ import annotations

import json
from pathlib import Path

import pytest

from identity.errors import TokenDenied, TokenUnavailable
from identity.rotation.local import ExecCheck, ExecKeys, Hooks
from identity.secret_stores.base import Secret

ENV = {"PATH": "/usr/bin:/bin"}


def program(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def keys(folder: Path, *, create: str = "true", find: str = "", revoke: str = "true") -> ExecKeys:
    hooks = Hooks(
        create=(program(folder, "create", create),),
        revoke=(program(folder, "revoke", revoke),),
        find=(program(folder, "find", find),) if find else (),
        env=ENV,
        timeout_s=10.0,
    )
    return ExecKeys(hooks, old_key="k1")


async def test_a_program_gets_its_input_as_json_and_nothing_else(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    text = f'cat > {seen}; echo "$# $(env | grep -c canary)" >> {seen}; '
    made = keys(tmp_path, create=text + """echo '{"key": "k2", "value": "canary-new"}'""")
    created = await made.create("devwiz-00", Secret("canary-old"))
    assert created.key == "k2"
    assert created.value is not None
    assert created.value.reveal() == "canary-new"
    told, counts = seen.read_text().rsplit("}", 1)
    assert json.loads(told + "}") == {"tag": "devwiz-00", "key": "k1", "value": "canary-old"}
    assert counts.split() == ["0", "0"]


async def test_a_value_alone_will_do(tmp_path: Path) -> None:
    created = await keys(tmp_path, create="echo canary").create("devwiz-00", None)
    assert created.value is not None
    assert (created.key, created.value.reveal()) == ("", "canary")


@pytest.mark.parametrize("text", ["true", "echo '{}'", 'echo \'{"key": "k"}\'', "printf '\\377'"])
async def test_what_is_no_value_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(TokenDenied, match="printed no value"):
        await keys(tmp_path, create=text).create("devwiz-00", None)


async def test_a_program_that_fails_is_told_without_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(TokenUnavailable) as told:
        await keys(tmp_path, create="echo canary >&2; exit 3").create("devwiz-00", None)
    assert "exit code 3" in str(told.value)
    assert "canary" not in str(told.value)


async def test_a_program_that_others_may_change_is_not_run(tmp_path: Path) -> None:
    made = keys(tmp_path, create="echo canary")
    (tmp_path / "create").chmod(0o722)
    with pytest.raises(TokenDenied, match="others than its owner"):
        await made.create("devwiz-00", None)


async def test_keys_of_an_attempt_that_was_cut_off_are_found_and_ended(tmp_path: Path) -> None:
    made = keys(tmp_path, find="""echo '["k2", "k3"]'""", revoke=f"cat > {tmp_path}/revoked")
    assert await made.tagged("devwiz-00", None) == ["k2", "k3"]
    await made.revoke("k2", None, Secret("canary"))
    told = json.loads((tmp_path / "revoked").read_text())
    assert told == {"key": "k2", "value": "", "by": "canary"}
    assert await keys(tmp_path).tagged("devwiz-00", None) == []
    with pytest.raises(TokenDenied, match="no JSON list"):
        await keys(tmp_path, find="echo k2").tagged("devwiz-00", None)


async def test_a_check_takes_or_refuses_a_value(tmp_path: Path) -> None:
    text = 'grep -q \'"value": "good"\''
    check = ExecCheck([program(tmp_path, "verify", text)], env=ENV, timeout_s=10.0)
    await check(Secret("good"))
    with pytest.raises(TokenUnavailable, match="exit code 1"):
        await check(Secret("bad"))
