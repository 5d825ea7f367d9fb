from __future__ import annotations

import pytest

from identity.configu.config_set import ConfigSet, check_name, effective
from identity.errors import InvalidConfigName


@pytest.mark.parametrize(
    ("path", "hierarchy"),
    [
        ("", ("",)),
        ("/", ("",)),
        ("prod", ("", "prod")),
        ("/prod/eu", ("", "prod", "prod/eu")),
        ("a/b/c", ("", "a", "a/b", "a/b/c")),
    ],
)
def test_a_set_counts_with_those_above_it(path: str, hierarchy: tuple[str, ...]) -> None:
    assert ConfigSet(path).hierarchy == hierarchy


@pytest.mark.parametrize(
    "path",
    ["prod/", "//prod", "prod//eu", "a b", "prod/this", "CFGU", "_", "-", "é", "a.b", "../a"],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(InvalidConfigName):
        ConfigSet(path)


def test_keys_have_the_same_names() -> None:
    check_name("DATABASE_URL", "config")
    with pytest.raises(InvalidConfigName, match="config"):
        check_name("this", "config")


def test_the_deepest_value_wins_and_an_empty_one_is_none() -> None:
    found = {
        ("", "A"): "root",
        ("prod", "A"): "prod",
        ("prod/eu", "A"): "",
        ("", "B"): "root",
        ("other", "C"): "elsewhere",
    }
    values = effective(found, ConfigSet("prod/eu").hierarchy, ["A", "B", "C"])
    assert values == {"A": "prod", "B": "root"}
