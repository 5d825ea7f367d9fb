"""YAML: an entry is some lines of a block, found by the reader's own marks. Pure."""

from __future__ import annotations

from typing import Any, Final

import yaml

from gateway.clients.files.base import Entry, FileFormat, NotEditable, Spot

_INDENT: Final = 2
_NO_WRAP: Final = 1 << 30

_Pair = tuple[yaml.Node, yaml.Node]


def _read(text: str) -> dict[str, Any]:
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        at = f": line {where.line + 1}" if where else ""
        raise NotEditable(f"this is no YAML that can be edited{at}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotEditable("this YAML file holds something else than a mapping")
    return value


def _put(text: str, spot: Spot, entry: Entry) -> str:
    lines, root = _parsed(text)
    if root is None:
        return "".join(lines) + _rendered({spot.container: {spot.name: entry}}, 0)
    container = _pair(root, spot.container)
    if container is None:
        at = _end(lines, root)
        lines.insert(at, _rendered({spot.container: {spot.name: entry}}, root.start_mark.column))
        return "".join(lines)
    key, value = container
    if not isinstance(value, yaml.MappingNode) or not value.value:
        return _filled(lines, key, value, _rendered({spot.name: entry}, _INDENT))
    _check_block(value)
    fresh = _rendered({spot.name: entry}, value.start_mark.column)
    old = _pair(value, spot.name)
    if old is None:
        lines.insert(_end(lines, value), fresh)
    else:
        lines[old[0].start_mark.line : _end(lines, old[1])] = [fresh]
    return "".join(lines)


def _drop(text: str, spot: Spot) -> str:
    lines, root = _parsed(text)
    key, value = _pair_of(root, spot.container)
    _check_block(value)
    _remove(lines, _pair_of(value, spot.name))
    if len(value.value) == 1:
        # Nothing there would be no mapping any more.
        line = lines[key.end_mark.line]
        colon = line.index(":", key.end_mark.column) + 1
        lines[key.end_mark.line] = f"{line[:colon]} {{}}{line[colon:]}"
    return "".join(lines)


def _drop_container(text: str, spot: Spot) -> str:
    lines, root = _parsed(text)
    _remove(lines, _pair_of(root, spot.container))
    return "".join(lines)


def _remove(lines: list[str], pair: _Pair) -> None:
    key, value = pair
    lines[key.start_mark.line : max(_end(lines, value), key.start_mark.line + 1)] = []


def _filled(lines: list[str], key: yaml.Node, value: yaml.Node, fresh: str) -> str:
    """With the entry in the place of `{}` or of nothing."""
    at, column = value.start_mark.line, value.start_mark.column
    if value.start_mark.index == value.end_mark.index:
        at = key.end_mark.line
    elif value.end_mark.line == at == key.start_mark.line:
        line = lines[at]
        lines[at] = f"{line[:column].rstrip()}{line[value.end_mark.column :]}"
    lines.insert(at + 1, fresh)
    return "".join(lines)


def _parsed(text: str) -> tuple[list[str], yaml.Node | None]:
    """The lines, each with an end, and what they mean."""
    if text and not text.endswith("\n"):
        text += "\n"
    root: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
    return text.splitlines(keepends=True), root


def _check_block(node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode) and node.flow_style:
        raise NotEditable(
            "the servers stand in braces in this YAML file",
            hint="write one to a line, or put the entry there by hand: devwiz-gw client print",
        )


def _pair_of(node: yaml.Node | None, name: str) -> _Pair:
    found = None if node is None else _pair(node, name)
    if found is None:
        # Such as one that an alias or a merge brings.
        raise NotEditable(f"{name!r} isn't written out in this YAML file")
    return found


def _pair(node: yaml.Node, name: str) -> _Pair | None:
    pairs: list[_Pair] = node.value if isinstance(node, yaml.MappingNode) else []
    return next((pair for pair in pairs if pair[0].value == name), None)


def _end(lines: list[str], node: yaml.Node) -> int:
    """The line after a value's last one. Of a block the mark is where the next thing begins, behind
    comments that may be about that.
    """
    mark = node.end_mark
    in_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    end = mark.line if in_block or not mark.column else mark.line + 1
    while end > node.start_mark.line + 1 and _says_nothing(lines[end - 1]):
        end -= 1
    return max(end, node.start_mark.line + 1)


def _says_nothing(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _rendered(value: dict[str, Any], column: int) -> str:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=_NO_WRAP)
    return "".join(f"{' ' * column}{line}" for line in text.splitlines(keepends=True))


YAML: Final = FileFormat(
    name="YAML", read=_read, put=_put, drop=_drop, drop_container=_drop_container
)
