"""The sources of the three packages, and which texts an expression in them can come to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("certs", "gateway", "identity")
#: A placeholder: what stands there is told at run time only.
UNKNOWN: Final = "…"
_MOST_TEXTS: Final = 16
_MOST_OF_EAGER: Final = 27
_SAYS_NOTHING: Final = re.compile(r"\{\w+\}|[\W_]+")
_DEEPEST: Final = 8

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(eq=False)
class Module:
    """One module."""

    name: str
    tree: ast.Module
    _given: dict[Function, dict[str, list[ast.expr]]] = field(default_factory=dict)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Everything in it."""
        return list(ast.walk(self.tree))

    @cached_property
    def imports(self) -> dict[str, str]:
        """What each imported name stands for."""
        found = {}
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Its classes."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Its functions and methods, by their bare names."""
        return {node.name: node for node in self.nodes if isinstance(node, Function)}

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """What is assigned to the names at its top."""
        return dict(_assigned(self.tree.body))

    @cached_property
    def _calls(self) -> dict[tuple[str, bool], list[ast.Call]]:
        found: dict[tuple[str, bool], list[ast.Call]] = {}
        for node in self.nodes:
            match node:
                case ast.Call(func=ast.Name(id=name)):
                    found.setdefault((name, False), []).append(node)
                case ast.Call(func=ast.Attribute(attr=name)):
                    found.setdefault((name, True), []).append(node)
                case _:
                    pass
        return found

    def callers(self, function: Function) -> Iterator[tuple[ast.Call, dict[str, ast.expr]]]:
        """The calls of one of its functions or methods, and what they give for each parameter."""
        names = [argument.arg for argument in function.args.args]
        is_method = names[:1] in (["self"], ["cls"])
        for call in self._calls.get((function.name, is_method), ()):
            given = dict(zip(names[is_method:], call.args, strict=False))
            yield call, given | {word.arg: word.value for word in call.keywords if word.arg}

    @cached_property
    def within(self) -> dict[ast.AST, Function]:
        """The innermost function around each node."""
        found: dict[ast.AST, Function] = {}
        for function in self.nodes:  # outer ones come first
            if isinstance(function, Function):
                found |= dict.fromkeys(ast.walk(function), function)
        return found

    def given_in(self, function: Function) -> dict[str, list[ast.expr]]:
        """What the names in one of its functions are given."""
        if function not in self._given:
            found = self._given[function] = {}
            for name, value in _assigned(ast.walk(function)):
                found.setdefault(name, []).append(value)
        return self._given[function]

    def full_name(self, node: ast.expr) -> str:
        """What a name or attribute stands for, as far as imports tell."""
        if isinstance(node, ast.Name):
            own = f"{self.name}.{node.id}" if node.id in self.classes else ""
            return own or self.imports.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.full_name(node.value)}.{node.attr}"
        return ""


def _parts(node: ast.expr, *, inside: bool) -> Sequence[ast.expr] | None:
    """The expressions of which one is the value; None where there is no choice."""
    found: Sequence[ast.expr] | None = None
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            found = [body, orelse]
        case ast.BoolOp(values=values) if not inside:
            found = values
        case ast.List(elts=values) | ast.Tuple(elts=values) | ast.Dict(values=values):
            found = values
        case ast.Starred(value=value) | ast.Await(value=value) | ast.FormattedValue(value=value):
            found = [value]
        case ast.ListComp(elt=value) | ast.GeneratorExp(elt=value):
            found = [value]
        case _:
            pass
    return found


def _assigned(body: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    """What names are given; of a tuple that is taken apart, the part as a subscript."""
    for node in body:
        match node:
            case ast.Assign(targets=[target], value=value):
                yield from _pairs(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _pairs(target, value)
            case ast.NamedExpr(target=target, value=value):
                yield from _pairs(target, value)
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                yield from _pairs(target, value)
            case _:
                pass


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple):
        for index, inner in enumerate(target.elts):
            if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
                yield from _pairs(inner, value.elts[index])
            else:
                yield from _pairs(inner, ast.Subscript(value, ast.Constant(index)))


@dataclass
class Sources:
    """All modules."""

    modules: dict[str, Module] = field(default_factory=dict)

    @classmethod
    def read(cls) -> Sources:
        """Those of the three packages."""
        found = cls()
        for package in PACKAGES:
            for path in sorted((ROOT / package).rglob("*.py")):
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found.modules[name] = Module(name, ast.parse(path.read_text(encoding="utf-8")))
        return found

    def calls(self) -> Iterator[tuple[Module, ast.Call]]:
        """Every call, in the order of the files."""
        for module in self.modules.values():
            for node in module.nodes:
                if isinstance(node, ast.Call):
                    yield module, node

    def texts(self, module: Module, node: ast.expr | None, *, is_eager: bool = False) -> list[str]:
        """The texts that an expression can come to; what isn't known stands in braces. Less of it
        does if `is_eager`, and there are more of them: one for each row of a table.
        """
        if node is None:
            return [""]
        found = _Reader(self, module, module.within.get(node), is_eager).read(node)
        texts = [" ".join(text.split()) for text in found]
        return texts if is_eager else list(dict.fromkeys(texts))

    def member(self, name: str) -> str:
        """The value of a class's member, such as one of an enumeration."""
        place, _, own = name.rpartition(".")
        module_name, _, class_name = place.rpartition(".")
        module = self.modules.get(module_name)
        if module is None or class_name not in module.classes:
            return ""
        values = dict(_assigned(module.classes[class_name].body))
        value = values.get(own)
        return value.value if isinstance(value, ast.Constant) and type(value.value) is str else ""

    def rows(self, module: Module, name: str) -> tuple[Module, list[ast.Tuple]]:
        """The values of a table at the top of a module, or an imported one, that are tuples; and
        the module that they are in.
        """
        own = module.constants.get(name)
        place, value = (
            (module, own) if own else self.constant(module.imports.get(name, "")) or (module, None)
        )
        values = value.values if isinstance(value, ast.Dict) else []
        return place, [value for value in values if isinstance(value, ast.Tuple)]

    def constant(self, name: str) -> tuple[Module, ast.expr] | None:
        """What an imported name was assigned."""
        place, _, own = name.rpartition(".")
        module = self.modules.get(place)
        value = module.constants.get(own) if module else None
        return (module, value) if module and value is not None else None


@dataclass
class _Reader:
    sources: Sources
    module: Module
    function: Function | None
    is_eager: bool = False
    seen: tuple[ast.AST, ...] = ()

    def read(self, node: ast.expr, *, inside: bool = False) -> list[str]:
        if node in self.seen or len(self.seen) > _DEEPEST:
            return [UNKNOWN]
        reader = replace(self, seen=(*self.seen, node))
        found = reader._read(node, inside=inside)
        most = _MOST_OF_EAGER if self.is_eager else _MOST_TEXTS
        return found if 0 < len(found) <= most else [placeholder(node)]

    def _read(self, node: ast.expr, *, inside: bool) -> list[str]:
        parts = _parts(node, inside=inside)
        if parts is not None:
            return self._any(parts, inside=inside)
        match node:
            case ast.Constant(value=value):
                found = [str(value)]
            case ast.JoinedStr(values=values):
                found = self._joined([self.read(part, inside=True) for part in values])
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                found = self._joined([self.read(left), self.read(right)])
            case ast.BinOp():
                found = [self._arithmetic(node)]
            case _:
                found = self._looked_up(node, inside=inside)
        return found

    def _looked_up(self, node: ast.expr, *, inside: bool) -> list[str]:
        match node:
            case ast.Attribute() if member := self.sources.member(self.module.full_name(node)):
                found = [member]
            case ast.Subscript(
                value=ast.Subscript(value=ast.Name(id=name)), slice=ast.Constant(value=int(part))
            ) if (rows := self.sources.rows(self.module, name))[1]:
                reader = replace(self, module=rows[0], function=None)
                found = reader._any([row.elts[part] for row in rows[1]], inside=inside)
            case ast.Subscript(value=ast.Call() as call, slice=ast.Constant(value=int(part))):
                found = self._of_call(call, inside=inside, part=part)
            case ast.Subscript(value=ast.Name(id=name)) | ast.Name(id=name):
                found = self._of_name(node, name, inside=inside)
            case ast.Call():
                found = self._of_call(node, inside=inside)
            case _:
                found = [placeholder(node)]
        return found

    def _any(self, nodes: Sequence[ast.expr], *, inside: bool) -> list[str]:
        found = [text for node in nodes for text in self.read(node, inside=inside)]
        return found if self.is_eager else list(dict.fromkeys(found))

    @staticmethod
    def _joined(parts: Sequence[Sequence[str]]) -> list[str]:
        count = 1
        for part in parts:
            count *= len(part)
        if count > _MOST_OF_EAGER:
            parts = [part if len(part) == 1 else [UNKNOWN] for part in parts]
        return ["".join(choice) for choice in product(*parts)]

    def _arithmetic(self, node: ast.BinOp) -> str:
        one, other = (self.read(side, inside=True)[0] for side in (node.left, node.right))
        if one.isdigit() and other.isdigit() and isinstance(node.op, (ast.FloorDiv, ast.Mult)):
            is_product = isinstance(node.op, ast.Mult)
            return str(int(one) * int(other) if is_product else int(one) // int(other))
        return placeholder(node)

    def _of_name(self, node: ast.expr, name: str, *, inside: bool) -> list[str]:
        if self.function is not None:
            values = self.module.given_in(self.function).get(name, [])
            if values and not (inside and len(values) > 1):
                found = self._any(values, inside=inside)
                return [placeholder(node) if _SAYS_NOTHING.fullmatch(it) else it for it in found]
            if not values and (found := self._of_parameter(self.function, name)):
                return found if not inside or self._will_do(found) else [placeholder(node)]
        value = self.module.constants.get(name)
        if value is not None:
            return self.read(value, inside=inside)
        imported = self.sources.constant(self.module.imports.get(name, ""))
        if imported is not None:
            return replace(self, module=imported[0], function=None).read(imported[1])
        return [placeholder(node)]

    def _will_do(self, texts: Sequence[str]) -> bool:
        """Whether a part of a text is told by these; else it is better called by its name."""
        if self.is_eager:
            return all(re.search(r"\w \w", re.sub(r"\{\w+\}", "", text)) for text in texts)
        return not any(mark in text for text in texts for mark in f"{{{UNKNOWN}")

    def _of_parameter(self, function: Function, name: str) -> list[str]:
        """What the callers in the same module give for it."""
        names = [argument.arg for argument in function.args.args]
        if name not in names + [argument.arg for argument in function.args.kwonlyargs]:
            return []
        found: list[str] = []
        for call, given in self.module.callers(function):
            if name in given:
                caller = self.module.within.get(call)
                found += replace(self, function=caller).read(given[name])
        return list(dict.fromkeys(found))

    def _of_call(self, node: ast.Call, *, inside: bool, part: int | None = None) -> list[str]:
        match node:
            case ast.Call(
                func=ast.Name(id="list" | "sorted" | "tuple" | "filter"), args=[*_, value]
            ):
                found = self.read(value, inside=inside)
            case ast.Call(
                func=ast.Attribute(value=ast.Constant(value=str(between)), attr="join"),
                args=[value],
            ):
                found = self.read(value, inside=between != "; ")
                is_list = between != "; " and not any("{" in text for text in found)
                found = [between.join(found)] if is_list else found
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[_, other]):
                found = [*self._of_name(node, name, inside=inside), *self.read(other)]
            case _:
                found = self._of_function(node.func, part)
                if not found or (inside and not (self.is_eager and self._will_do(found))):
                    found = [placeholder(node)]
        return found

    def _of_function(self, called: ast.expr, part: int | None) -> list[str]:
        known = self._function(called)
        if known is None:
            return []
        module, function = known
        return replace(self, module=module, function=function)._returned(function, part)

    def _function(self, called: ast.expr) -> tuple[Module, Function] | None:
        """The function that is called: of this module, or an imported one."""
        name = ""
        if isinstance(called, ast.Name):
            name = called.id
        elif isinstance(called, ast.Attribute) and _called(called.value) in {"self", "cls"}:
            name = called.attr
        if name in self.module.functions:
            return self.module, self.module.functions[name]
        place, _, own = self.module.imports.get(name, "").rpartition(".")
        other = self.sources.modules.get(place)
        return (other, other.functions[own]) if other and own in other.functions else None

    def _returned(self, function: Function, part: int | None) -> list[str]:
        found: list[str] = []
        for node in ast.walk(function):
            if isinstance(node, (ast.Return, ast.Yield)) and node.value is not None:
                value = node.value
                if isinstance(value, ast.Tuple) and part is not None:
                    value = value.elts[part]
                elif isinstance(value, ast.Call) and part is not None:
                    found += self._of_call(value, inside=False, part=part)
                    continue
                found += self.read(value)
        return list(dict.fromkeys(text for text in found if text not in {"", "None"}))


#: Whose functions and methods say more than they do.
_NO_NAMES: Final = frozenset(("", "asyncio", "errno", "json", "os", "self", "time"))


#: What values are for people, where the code's name for them says nothing.
_FOR_PEOPLE: Final = {
    "abs": "number",
    "datetime": "time",
    "geteuid": "uid",
    "map": "name",
    "math": "number",
    "not_after": "time",
    "self": "source",
    "st_uid": "uid",
    "stat": "mode",
    "strerror": "reason",
    "timedelta": "time",
}


def placeholder(node: ast.expr) -> str:
    """The word in braces that stands for a value: what it is called where it is used."""
    name = _called(node).strip("_").lower()
    return f"{{{_FOR_PEOPLE.get(name, name)}}}" if name else UNKNOWN


def _called(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            found = name
        case ast.Attribute(attr="strerror" | "reason"):
            found = "reason"
        case ast.Attribute(value=value, attr="id" | "name" | "value"):
            found = _called(value)
        case ast.Attribute(attr=attr):
            found = attr
        case ast.Call():
            found = _called_by_call(node)
        case ast.BoolOp(values=[value, *_]) | ast.Subscript(value=value) | ast.Await(value=value):
            found = _called(value)
        case ast.GeneratorExp(generators=[made, *_]) | ast.ListComp(generators=[made, *_]):
            found = _called(made.iter)
        case ast.BinOp(left=value) | ast.IfExp(body=value):
            found = _called(value)
        case _:
            found = ""
    return found


def _called_by_call(node: ast.Call) -> str:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[value]):
            found = _called(value)
        case ast.Call(func=ast.Attribute(value=value, attr=attr)):
            found = attr if _called(value) in _NO_NAMES else _called(value)
        case ast.Call(func=ast.Name(id="len")):
            found = "count"
        case ast.Call(func=ast.Name(id="str" | "repr" | "sorted" | "int"), args=[value]):
            found = _called(value)
        case _:
            found = _called(node.func)
    return found
