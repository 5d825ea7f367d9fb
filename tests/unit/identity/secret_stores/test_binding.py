"""`identity.secret_stores.binding`; what a store makes of it is in the contract's suite."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from identity.errors import BindingRefused, ProjectElsewhere, StateElsewhere
from identity.secret_stores.binding import (
    Asker,
    Binding,
    admitted,
    read_asker,
    read_binding,
    rebound,
)

HERE = Asker(file="/acme/devwiz-gw.toml", state="/state/devwiz-gw")
AGENT = replace(HERE, is_agent=True)
BOUND = Binding((HERE.file,), HERE.state)


def test_an_asker_passes_through_a_message() -> None:
    message = json.loads(json.dumps(AGENT.message()))
    assert read_asker(message) == AGENT
    assert read_asker(None) is None


@pytest.mark.parametrize(
    "message", [{}, "/acme/devwiz-gw.toml", {**HERE.message(), "file": None}, {"file": ""}]
)
def test_what_is_no_asker_is_refused(message: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        read_asker(message)


@pytest.mark.parametrize("binding", [BOUND, Binding(), Binding(("/\udcff/\U0001f511", 'a"b'), "")])
def test_a_binding_passes_through_ascii(binding: Binding) -> None:
    text = binding.text("acme")
    assert text.isascii()
    assert read_binding(text, "acme") == binding


def test_what_earlier_versions_kept_has_no_state() -> None:
    assert read_binding('["/acme/devwiz-gw.toml"]', "acme") == Binding((HERE.file,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "null",
        "5",
        '"acme"',
        "[" * 100_000,
        BOUND.text("other"),
        '{"project": "acme", "files": ["/a"], "state": 5}',
        '{"project": "acme", "files": "/a", "state"',
        '{"project": "acme", "files": [null], "state": ""}',
    ],
)
def test_what_is_no_binding_of_the_project_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(?!$)"):
        read_binding(text, "acme")


def test_what_is_kept_matters_only_where_an_agent_would_be_the_first() -> None:
    def unasked() -> bool:
        raise AssertionError("asked what is kept")

    assert admitted(BOUND, "acme", AGENT, is_kept=unasked) == BOUND
    assert admitted(None, "acme", HERE, is_kept=unasked) == BOUND
    assert admitted(None, "acme", AGENT, is_kept=lambda: False) == BOUND
    for unbound in (None, Binding((HERE.file,)), Binding((), HERE.state)):
        with pytest.raises(ProjectElsewhere):
            admitted(unbound, "acme", AGENT, is_kept=lambda: True)


def test_a_stranger_is_told_of_the_file_before_the_state() -> None:
    stranger = Asker(file="/clone/devwiz-gw.toml", state="/elsewhere")
    with pytest.raises(ProjectElsewhere):
        admitted(BOUND, "acme", stranger, is_kept=lambda: True)
    with pytest.raises(StateElsewhere):
        rebound(BOUND, "acme", "bind", stranger, "")


def test_a_binding_of_an_earlier_version_is_completed() -> None:
    assert rebound(Binding((HERE.file,)), "acme", "bind", HERE, "") == BOUND
    assert rebound(None, "acme", "move", HERE, "") == Binding((), HERE.state)


def test_who_names_the_project_lets_no_file_in() -> None:
    assert rebound(BOUND, "acme", "bind", replace(HERE, file=""), "") == BOUND


def test_nothing_is_kept_out_of_what_is_not_bound() -> None:
    with pytest.raises(BindingRefused):
        rebound(None, "acme", "unbind", HERE, HERE.file)
