from __future__ import annotations

from identity.configu.json_form import form_of, parsed


def test_a_value_stands_for_json_or_for_itself() -> None:
    assert parsed("[1, true]") == [1, True]
    assert parsed("NaN") == "NaN"
    assert parsed('{"a":1,"a":2}') == '{"a":1,"a":2}'


def test_equal_values_have_one_form() -> None:
    assert form_of(1) == form_of(1.0)
    assert form_of({"b": [1.0], "a": None}) == form_of({"a": None, "b": [1]})
    assert len({form_of(value) for value in (1, True, "1", [1], 1.5)}) == 5
