from __future__ import annotations

import pytest

from identity.configu.pattern import compiled


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("^ab$", "ab", "ab\n"),
        ("a$|^b", "ca", "cb"),
        (r"^\$5$", "$5", "5"),
        ("^[$]5$", "$5", "5"),
        (r"^(?<word>\w+)$", "abc", "é"),
        (r"^\d+$", "12", "\u0661"),
        ("^(?=a)(?<!x)a", "a", "b"),
        ("^[[]$", "[", "]"),
        ("^a}+$", "a}}", "a"),
        (r"^\?+$", "??", "x"),
        ("^[*+]+$", "*+", "x"),
        (r"^(?:a|\(\?i)$", "(?i", "b"),
        (r"^\u0041$", "A", "B"),
    ],
)
def test_it_means_what_javascript_means(pattern: str, good: str, bad: str) -> None:
    assert compiled(pattern).search(good)
    assert not compiled(pattern).search(bad)


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "[]",
        "[^]a",
        r"\p{L}",
        r"\Z",
        "a{2,1}",
        "x" * 1001,
        "\\",
        "(?i)a",
        "(?#a)",
        "(?P<a>b)",
        "(?>a)",
        "(a)(?(1)b)",
        "a++",
        "a{2}+",
        "a?+",
    ],
)
def test_what_the_two_do_not_share_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        compiled(pattern)
