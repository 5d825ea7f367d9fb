"""What operators meet by name stands in the docs: events, audit actions, variables, metrics."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.error_reference.source import Module, Sources

DOCS = Path(__file__).parents[2] / "docs"


@cache
def sources() -> Sources:
    return Sources.read()


def nodes() -> Iterator[tuple[Module, ast.AST]]:
    for module in sources().modules.values():
        for node in module.nodes:
            yield module, node


def first_cells(page: str, head: str) -> set[str]:
    """The words in the first cells of the page's tables of that head."""
    found: set[str] = set()
    is_ours = False
    previous = ""
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("|---"):
            is_ours = previous.startswith(f"| {head} |")
        elif line.startswith("| `") and is_ours:
            found |= set(re.findall(r"`([^`]+)`", line.split("|")[1]))
        previous = line
    return found


def events() -> Iterator[str]:
    """The values of `event` in what the log's lines bring along."""
    for module, node in nodes():
        if isinstance(node, ast.Dict) and module.name.startswith("gateway.") and node.keys:
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "event":
                    yield from sources().texts(module, value)


def test_each_event_of_the_log_is_described() -> None:
    told = first_cells("operations/logs.md", "event")
    found = {event for event in events() if re.fullmatch(r"[a-z_]+", event)}
    assert found - told == set()
    made = {event for event in told - found if not event.startswith("configu_")}
    assert made == set(), "nothing in the code says these"


#: Texts of the code that look like actions of the journal and are none.
NO_ACTIONS = re.compile(
    r".*\.(sock|db|jsonl|lock|log|holder|crl|invalid|socket|key|json|seq|outcome|project|name|reason)"
    r"|audit\.devwiz-gw\..*|audit\.forward\.|identity\.issuer"
)


def test_each_action_of_the_journal_is_described() -> None:
    page = (DOCS / "operations" / "audit.md").read_text(encoding="utf-8")
    told = first_cells("operations/audit.md", "action")
    areas = {action.partition(".")[0] for action in told} - {"gateway"}
    texts = {
        node.value
        for _, node in nodes()
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    found = {
        text
        for text in texts
        if re.fullmatch(r"[a-z]+\.[a-z_.-]+", text) and text.partition(".")[0] in areas
    }
    found = {text for text in found if text not in sources().modules}
    assert {
        text for text in found if f"`{text}`" not in page and not NO_ACTIONS.fullmatch(text)
    } == set()
    assert {"secret.use", "rotation.ask"} <= found


_READERS = frozenset(("get", "pop"))
_PLACES = frozenset(("env", "environ", "environment"))


def variables() -> Iterator[str]:
    """The environment variables that are read or set by name."""
    for module, node in nodes():
        match node:
            case ast.Call(func=ast.Attribute(value=place, attr=attr), args=[name, *_]) if (
                attr in _READERS
            ):
                pass
            case ast.Subscript(value=place, slice=name):
                pass
            case ast.Constant(value=str(text)) if re.fullmatch(r"DEVWIZ_GW_\w+", text):
                yield text
                continue
            case _:
                continue
        if ast.unparse(place).rpartition(".")[2] in _PLACES:
            yield from sources().texts(module, name)


def test_each_environment_variable_is_described() -> None:
    told = first_cells("configuration.md", "variable")
    found = {name.upper() for name in variables() if re.fullmatch(r"[A-Za-z_]+", name)}
    assert {"XDG_STATE_HOME", "NO_COLOR", "DEVWIZ_GW_RUN"} <= found
    assert found - told == set()
    assert told - found == set(), "nothing in the code reads these"
