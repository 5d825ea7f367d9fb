from __future__ import annotations

import pytest

from gateway.configu.yaml_form import strict_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("010", "010"),
        ("10", 10),
        ("-1.5", -1.5),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("0x1f", "0x1f"),
        ("{<<: a}", {"<<": "a"}),
    ],
)
def test_words_mean_what_the_core_schema_says(text: str, value: object) -> None:
    assert strict_yaml(text.encode()) == value
