from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gateway.config.model import ProjectConfig
from gateway.config.project_parts import PARTS, Part, parse_project
from gateway.errors import ConfigInvalid

PATH = Path("/etc/acme/devwiz-gw.toml")
#: Neither identity nor routes, and what is there of the rest is wrong.
TEXT = """
project = "acme"
[limits]
workers = "many"
[secrets]
store = "vault"
[rotate.db]
provider = "prompt"
[configu]
org = "7d1a6f0e"
schemas = ["app.cfgu.json"]
[tokens.planner]
source = "file"
path = "planner.token"
"""


def parsed(text: str, *parts: Part) -> ProjectConfig:
    return parse_project(tomllib.loads(text), path=PATH, parts=parts)


def test_the_parts_that_are_asked_for_are_read_whatever_the_rest_is_like() -> None:
    found = parsed(TEXT, *PARTS)
    assert (found.project, found.secrets.store, found.path) == ("acme", "vault", PATH)
    assert [item.name for item in found.rotations] == ["db"]
    assert [item.name for item in found.tokens] == ["planner"]
    assert found.configu is not None
    assert found.configu.schemas == (PATH.parent / "app.cfgu.json",)


def test_a_part_that_is_not_asked_for_is_empty() -> None:
    found = parsed(TEXT)
    assert (found.rotations, found.tokens, found.configu) == ((), (), None)


@pytest.mark.parametrize(
    ("change", "parts", "key"),
    [
        (('project = "acme"', ""), (), "project"),
        (('"vault"', '"safe"'), (), "secrets.store"),
        (('"prompt"', '"magic"'), ("rotate",), "rotate.db.provider"),
        (('schemas = ["app.cfgu.json"]', ""), ("configu",), "configu.schemas"),
        (('"prompt"', '"prompt"\nwrite_back = true'), ("rotate",), "rotate.db.write_back"),
    ],
)
def test_what_is_wrong_in_them_is_refused(
    change: tuple[str, str], parts: tuple[Part, ...], key: str
) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        parsed(TEXT.replace(*change), *parts)
    assert [item.key for item in caught.value.problems] == [key]


def test_a_policy_that_can_not_be_read_is_not_taken_for_none() -> None:
    with pytest.raises(ConfigInvalid):
        parsed(TEXT + "[mfa]\ntouch = 7\n")
