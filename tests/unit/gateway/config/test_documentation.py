"""docs/configuration.md says what the parser does."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.files import journal_path
from gateway.config.model import Limits
from gateway.config.parse import parse
from gateway.errors import ConfigInvalid

PAGE = (Path(__file__).parents[4] / "docs" / "configuration.md").read_text()
WHOLE_FILE = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])


def read(raw: dict[str, Any]) -> None:
    parse(raw, path=Path("/etc/devwiz-gw.toml"), max_socket_path=107)


def test_the_whole_file_is_good() -> None:
    read(WHOLE_FILE)


@pytest.mark.parametrize("limit", fields(Limits), ids=lambda limit: limit.name)
def test_each_limit_has_its_default(limit: Any) -> None:
    row = re.search(
        rf"^\| `{limit.name}` \|.*\| `([0-9.]+)` \| ([0-9.]+) \| ([0-9.]+) \|$", PAGE, re.M
    )
    assert row is not None
    default, least, most = (float(text) for text in row.groups())
    assert default == getattr(Limits(), limit.name)
    for bound, step in ((least, -0.05), (most, 1)):
        inside = int(bound) if limit.type == "int" else bound
        read(WHOLE_FILE | {"limits": {limit.name: inside}})
        outside = inside + (step if limit.type == "float" else round(step * 20))
        with pytest.raises(ConfigInvalid):
            read(WHOLE_FILE | {"limits": {limit.name: outside}})


def test_the_journal_is_where_the_page_says() -> None:
    path = journal_path("PROJECT", {"XDG_STATE_HOME": "/state"})
    assert str(path).replace("/state", "`$XDG_STATE_HOME", 1) + "`" in PAGE
    path = journal_path("PROJECT", {"HOME": "/home"})
    assert f"`~/{path.relative_to('/home').parents[2]}`" in PAGE
