from __future__ import annotations

import pytest

from gateway.configu.yaml_form import strict_yaml
from identity.errors import InvalidConfigSchema


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("NULL", None),
        ("010", 10),
        ("+10", 10),
        ("0o17", 15),
        ("10", 10),
        ("-1.5", -1.5),
        ("+.5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("1e", "1e"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("0x1f", 31),
        ("!!str 1", "1"),
        ("{7: a, '8': b}", {"7": "a", "8": "b"}),
        ("{<<: a}", {"<<": "a"}),
    ],
)
def test_words_mean_what_the_core_schema_says(text: str, value: object) -> None:
    assert strict_yaml(text.encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        ".inf",
        "-.INF",
        ".NaN",
        "1e400",
        "!!float x",
        "!!int 1.5",
        "!!int 0xzz",
        "!!bool yes",
        "!!timestamp 2024-01-01",
        "!!binary aGk=",
        "!!set {a}",
        "!!omap [a: 1]",
        "!!python/name:os.system",
        "!other x",
        "{true: a}",
        "{~: a}",
        "{1.5: a}",
        "{[a]: b}",
        "{7: a, '7': b}",
        "&a [*a]",
    ],
)
def test_what_json_could_not_say_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfigSchema, match="not YAML that can be used"):
        strict_yaml(text.encode())
