"""Every error that the sources can make: what is printed, of what kind it is, and what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from tests.error_reference.source import Module, Sources

_ROOT: Final = "identity.fault.Fault"
#: Tells of the whole file; what is wrong in it are entries of their own.
_OF_A_FILE: Final = "gateway.errors.ConfigInvalid"
_PROBLEM: Final = "gateway.errors.ConfigProblem"
#: How many functions a message is handed through at most.
_MOST_CALLS: Final = 3
#: How many hints are told of a message that has one or another.
_MOST_HINTS: Final = 3
#: Its methods note what others say; the calls of these count.
_TABLE: Final = "gateway.config.table"
_REJECTED: Final = f"{_TABLE}.Rejected"
_FINDING: Final = "gateway.doctor.finding.Finding"
_FAILURE: Final = "gateway.data_plane.failure.Failure"
_VIOLATION: Final = "gateway.data_plane.wire.violation.ProtocolViolation"


@dataclass(frozen=True, slots=True)
class Kind:
    """One class of errors: what has happened, and what helps where nothing better is known."""

    name: str
    full_name: str
    base: str
    meaning: str
    remedy: str
    parameters: Sequence[str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be printed. `key` is a configuration key, a rung, a code or a reason."""

    module: str
    line: int
    kind: str
    message: str
    hint: str
    key: str = ""


@dataclass
class Found:
    """All of it."""

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    faults: list[Entry] = field(default_factory=list)
    problems: list[Entry] = field(default_factory=list)
    findings: list[Entry] = field(default_factory=list)
    failures: list[Entry] = field(default_factory=list)


def find(sources: Sources) -> Found:
    """Everything that is in the sources."""
    found = Found(kinds=_kinds(sources))
    for module, call in sources.calls():
        name = module.full_name(call.func)
        if name in found.kinds and name != _OF_A_FILE:
            found.faults += _fault(sources, module, call, found.kinds[name])
        elif name in {_PROBLEM, _REJECTED} and module.name != _TABLE:
            names = _NOTING["problem"][name == _REJECTED :]
            found.problems += _entries(sources, module, call, "problem", names)
        elif name in {_FAILURE, _VIOLATION}:
            kind = "failure" if name == _FAILURE else "violation"
            found.failures += _entries(sources, module, call, kind, ("key", "message"))
        elif name == _FINDING and _result(sources, module, call) & {"warn", "fail"}:
            found.findings += _entries(sources, module, call, "finding", ())
        elif module.name.startswith("gateway.config."):
            found.problems += _noted(sources, module, call)
    return found


def _kinds(sources: Sources) -> dict[str, Kind]:
    classes = {
        f"{module.name}.{name}": (module, node)
        for module in sources.modules.values()
        for name, node in module.classes.items()
    }
    found: dict[str, Kind] = {}
    waiting = {_ROOT: ""}
    while waiting:
        full_name, base = waiting.popitem()
        module, node = classes[full_name]
        above = found.get(base)
        found[full_name] = Kind(
            name=node.name,
            full_name=full_name,
            base=base,
            meaning=" ".join((ast.get_docstring(node) or "").split()),
            remedy=_remedy(sources, module, node) or (above.remedy if above else ""),
            parameters=_parameters(node) or (above.parameters if above else ()),
        )
        for other, (inner, below) in classes.items():
            if full_name in {inner.full_name(parent) for parent in below.bases}:
                waiting[other] = full_name
    return found


def _remedy(sources: Sources, module: Module, node: ast.ClassDef) -> str:
    for item in node.body:
        if isinstance(item, ast.AnnAssign | ast.Assign):
            target = item.target if isinstance(item, ast.AnnAssign) else item.targets[0]
            if isinstance(target, ast.Name) and target.id == "remedy":
                return sources.texts(module, item.value)[0]
    return ""


def _parameters(node: ast.ClassDef) -> Sequence[str]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return [argument.arg for argument in item.args.args[1:]]
    return ()


def _fault(sources: Sources, module: Module, call: ast.Call, kind: Kind) -> Iterator[Entry]:
    names = ["key" if name == "code" else name for name in kind.parameters]
    for entry in _entries(sources, module, call, kind.name, names):
        hint = entry.hint or kind.remedy
        yield Entry(entry.module, entry.line, kind.name, entry.message, hint, entry.key)


#: Methods of a configuration's table that note a problem, and what they are given.
_NOTING: Final[dict[str, tuple[str, ...]]] = {
    "problem": ("key", "message", "hint"),
    "problem_at": ("key", "message", "hint"),
    "refuse": ("key", "message", "hint"),
    "required": ("key", "hint"),
}


def _noted(sources: Sources, module: Module, call: ast.Call) -> Iterator[Entry]:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _NOTING:
        return
    for entry in _entries(sources, module, call, "problem", _NOTING[call.func.attr]):
        if call.func.attr == "required":
            hint = f"it should hold {entry.hint}"
            yield Entry(entry.module, entry.line, "problem", "is missing", hint, entry.key)
        else:
            yield entry


def _result(sources: Sources, module: Module, call: ast.Call) -> set[str]:
    node = _given(call, ()).get("result")
    found = set(sources.texts(module, node))
    return found if found <= {"pass", "warn", "fail", "skip"} else {"fail"}


def _entries(
    sources: Sources, module: Module, call: ast.Call, kind: str, names: Sequence[str]
) -> Iterator[Entry]:
    for given in _variants(module, call, _given(call, names)):
        keys = sources.texts(module, given.get("key"))
        pairs = _pairs(sources, module, given)
        is_table = len(keys) == len(pairs) > 1
        for key, (message, hint) in (zip if is_table else product)(keys, pairs):
            if message:
                yield Entry(module.name, call.lineno, kind, message, hint, key)


def _variants(
    module: Module, call: ast.Call, given: dict[str, ast.expr], depth: int = 0
) -> Iterator[dict[str, ast.expr]]:
    """The arguments; where the message is a parameter of the function around, those that each of
    its callers gives.
    """
    function, message = module.within.get(call), given.get("message")
    if function is not None and isinstance(message, ast.Name) and depth < _MOST_CALLS:
        parameters = {item.arg for item in (*function.args.args, *function.args.kwonlyargs)}
        callers = list(module.callers(function)) if message.id in parameters else []
        for outer, theirs in callers:
            inner = {
                name: theirs.get(value.id, value) if isinstance(value, ast.Name) else value
                for name, value in given.items()
            }
            hint = given.get("hint")
            if isinstance(hint, ast.Name) and hint.id in parameters - set(theirs):
                del inner["hint"]  # its default
            yield from _variants(module, outer, inner, depth + 1)
        if callers:
            return
    yield given


def _pairs(
    sources: Sources, module: Module, given: Mapping[str, ast.expr]
) -> list[tuple[str, str]]:
    """Each message with its hint."""
    messages = sources.texts(module, given.get("message"))
    is_eager = not any(re.search(r"\w", re.sub(r"\{\w+\}", "", text)) for text in messages)
    if is_eager:
        messages = sources.texts(module, given.get("message"), is_eager=True)
    hints = sources.texts(module, given.get("hint"), is_eager=is_eager)
    if len(hints) == len(messages) > 1:
        return list(zip(messages, hints, strict=True))
    if is_eager and len(messages) % len(hints) == 0:  # of the same rows of a table
        each = len(messages) // len(hints)
        return [(message, hints[index // each]) for index, message in enumerate(messages)]
    known = list(filter(None, hints))
    told = known[:_MOST_HINTS] + ["…"] * (len(known) > _MOST_HINTS)
    return [(message, "; or: ".join(told)) for message in messages]


#: Names of arguments that mean the same here.
_SAME: Final = {"detail": "message", "remedy": "hint", "rung": "key", "code": "key", "reason": ""}


def _given(call: ast.Call, names: Sequence[str]) -> dict[str, ast.expr]:
    found = dict(zip(names, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg:
            found.setdefault(_SAME.get(keyword.arg, keyword.arg), keyword.value)
    return found
