"""docs/reference/errors.md and the pages beside it say what the code can print."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from certs.issuer.refusal import Code
from gateway.data_plane.failure import REASONS
from tests.error_reference import words
from tests.error_reference.__main__ import FOLDER
from tests.error_reference.areas import area_of
from tests.error_reference.entries import Found, find
from tests.error_reference.pages import is_carried, pages, plain
from tests.error_reference.source import Module, Sources


@cache
def sources() -> Sources:
    return Sources.read()


@cache
def found() -> Found:
    return find(sources())


def snippet(text: str) -> Found:
    """What is found in a module of this text beside `Fault`."""
    read = Sources({"identity.fault": sources().modules["identity.fault"]})
    read.modules["identity.x"] = Module("identity.x", ast.parse(text))
    return find(read)


def test_the_pages_are_current() -> None:
    made = pages(found())
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("errors*/*.md")}
    assert there | {"errors.md"} == set(made), "run: python -m tests.error_reference"
    for path, text in made.items():
        assert (FOLDER / path).read_text(encoding="utf-8") == text, (
            f"{path} is old: run python -m tests.error_reference"
        )


def test_each_error_says_what_to_do() -> None:
    silent = [
        f"{entry.module}:{entry.line} {entry.message}"
        for entry in (*found().faults, *found().problems, *found().findings)
        if not entry.hint and not is_carried(entry)
    ]
    assert not silent, "give it a hint, or its class a remedy"


def test_the_scan_finds_what_there_is() -> None:
    """A scan that had lost its way would find little, and forgive much."""
    assert len([entry for entry in found().faults if not is_carried(entry)]) > 700
    assert len([entry for entry in found().problems if not is_carried(entry)]) > 150
    assert {entry.key for entry in found().failures} > set(REASONS) - {
        "client_closed",
        "client_stalled",
        "foreign_protocol",
        "upstream_stalled",
        "certificate_expired",
        "revoked",
        "untrusted",
        "upstream_status",
    }


def test_each_answer_of_the_issuer_has_its_row() -> None:
    page = (FOLDER / "errors" / "issuer.md").read_text(encoding="utf-8")
    missing = [code.value for code in Code if f"| `{code.value}` |" not in page]
    assert not missing


def normal(text: str) -> str:
    return re.sub(r"\{\w+\}\d?|…", "{}", text)


def arguments(module: str, *methods: str) -> set[str]:
    """The texts that are given to methods as their last argument."""
    read = sources().modules[module]
    return {
        text
        for node in read.nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in methods
        for text in sources().texts(read, node.args[-1])
    }


def test_each_finding_of_the_audit_journal_is_explained() -> None:
    told = arguments("gateway.audit.verify", "_problem", "_problem_here")
    told = {text for text in told if normal(text).strip("{}")}
    known = {normal(text) for text in words.AUDIT_FINDINGS}
    assert {normal(text) for text in told} <= known
    assert any("checkpoint" in text for text in told)


def test_each_reason_of_status_is_explained() -> None:
    told = arguments("gateway.control_plane.header_feed", "_blame")
    told |= set(sources().texts(*_returns("gateway.control_plane.status", "identity_problem")))
    told |= set(sources().texts(*_returns("gateway.control_plane.status", "_worker_problem")))
    told |= arguments_of("gateway.control_plane.status", "_if")
    told = {text for text in told if re.search(r"\w", normal(text))}
    known = [re.sub(r"\\{\\}", ".*", re.escape(normal(text))) for text in words.STATUS_REASONS]
    for text in told:
        assert any(re.match(pattern, text) for pattern in known), text
    assert len(told) > 6


def _returns(module: str, function: str) -> tuple[Module, ast.expr]:
    """A call of the function, as if it stood at the module's end."""
    return sources().modules[module], ast.Call(ast.Name(function), [], [])


def arguments_of(module: str, function: str) -> set[str]:
    """The texts that are given to a function as its last argument."""
    read = sources().modules[module]
    return {
        text
        for node in read.nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == function
        for text in sources().texts(read, node.args[-1])
    }


def test_each_module_with_errors_has_its_page() -> None:
    assert area_of("certs.issuer.api").name == "issuer"
    assert area_of("certs.rotation").name == "identity"
    assert area_of("gateway.cli.main").name == "gateway"


SAID = "from identity.fault import Fault\n"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('Fault("a is b")', "a is b", ""),
        ('Fault("a is b", hint="do c")', "a is b", "do c"),
        ('Fault(f"{self.path} is b")', "{path} is b", ""),
        ('Fault(f"{error.strerror or str(error)} is b")', "{reason} is b", ""),
        ('MOST = 4 * 2\nFault(f"over {MOST} b")', "over 8 b", ""),
        ('Fault("a " + ", ".join(["b", "c"]))', "a b, c", ""),
        ('def f(what):\n  raise Fault(what)\nf("a is b")', "a is b", ""),
        ('def f(what, hint):\n  raise Fault(what, hint=hint)\nf("a", "b")', "a", "b"),
        ('def f():\n  what = g()\n  raise Fault(what)\ndef g():\n  return "a b"', "a b", ""),
        ('class X(Fault):\n  remedy = "do c"\nX("a is b")', "a is b", "do c"),
        ('class X(Fault):\n  remedy = "do c"\nX("a", hint="do d")', "a", "do d"),
    ],
)
def test_what_is_said_is_read_from_the_source(text: str, message: str, hint: str) -> None:
    (entry,) = snippet(SAID + text).faults
    assert (entry.message, entry.hint) == (message, hint)


def test_each_of_several_texts_is_an_entry() -> None:
    entries = snippet(SAID + 'Fault("a" if x else "b", hint="c" if x else "d")').faults
    assert [(entry.message, entry.hint) for entry in entries] == [("a", "c"), ("b", "d")]


def test_an_error_that_is_passed_on_is_no_entry() -> None:
    (carried,) = snippet(SAID + 'Fault(f"{name}: {error}")').faults
    assert is_carried(carried)


def test_marks_of_markdown_are_shown_as_they_are() -> None:
    assert plain("[run.env] `a|b` <c> d_e") == r"\[run.env\] `a\|b` \<c\> d_e"
    assert plain("a lone ` and *") == r"a lone \` and \*"
