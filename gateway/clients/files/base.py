"""What every format of file can do, and the check that an edit did that and nothing else. Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError

#: One server's entry, as the file holds it.
Entry = Mapping[str, Any]


class NotEditable(GatewayError):
    """The file can't be changed without risk to what else is in it."""

    remedy = "nothing was changed: devwiz-gw client print shows the entry, to be put there by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where an entry is: under `container`, a key at the top of the file, by its own `name`."""

    container: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """One format. Of `read` the text may be empty; `put` and `drop` may assume that it can be read,
    and `drop` that the entry is there. `drop_container` takes an empty container away.

    All raise `NotEditable`.
    """

    name: str
    read: Callable[[str], dict[str, Any]]
    put: Callable[[str, Spot, Entry], str]
    drop: Callable[[str, Spot], str]
    drop_container: Callable[[str, Spot], str]


def entry_at(form: FileFormat, text: str, spot: Spot) -> Entry | None:
    """What is there now. Raises `NotEditable`."""
    return _found(form.read(text), spot)


def with_entry(form: FileFormat, text: str, spot: Spot, entry: Entry) -> str:
    """`text` with the entry put there, or put in the place of the one that was. Raises
    `NotEditable`.
    """
    wanted = copy.deepcopy(form.read(text))
    _found(wanted, spot)
    wanted[spot.container] = {**(wanted.get(spot.container) or {}), spot.name: entry}
    return _checked(form, form.put(text, spot, entry), wanted)


def without_entry(form: FileFormat, text: str, spot: Spot, *, container_too: bool) -> str:
    """`text` without the entry that is there; an empty container goes with it if `container_too`.
    Raises `NotEditable`.
    """
    wanted = copy.deepcopy(form.read(text))
    del wanted[spot.container][spot.name]
    result = form.drop(text, spot)
    rest = wanted[spot.container]
    if not rest and not (form.read(result).get(spot.container) or {}):
        # A table of TOML is gone with its last part; a key of YAML may be left with nothing.
        left = form.read(result)
        if spot.container in left and container_too:
            result = form.drop_container(result, spot)
        if container_too or spot.container not in left:
            del wanted[spot.container]
        else:
            wanted[spot.container] = left[spot.container]
    return _checked(form, result, wanted)


def _found(document: Mapping[str, Any], spot: Spot) -> Entry | None:
    container = document.get(spot.container)
    if container is None:
        return None
    if not isinstance(container, Mapping):
        raise NotEditable(f"{spot.container!r} isn't a table of servers in this file")
    entry = container.get(spot.name)
    if entry is not None and not isinstance(entry, Mapping):
        raise NotEditable(f"{spot.container}.{spot.name} is something else than a server here")
    return entry


def _checked(form: FileFormat, text: str, wanted: Mapping[str, Any]) -> str:
    """Whatever way a file is laid out: an edit that changed anything else is not made."""
    try:
        same = form.read(text) == wanted
    except NotEditable:
        same = False
    if not same:
        raise NotEditable(
            f"the way this {form.name} file is laid out can't be edited safely",
            hint="devwiz-gw client print shows the entry, to be put there by hand",
        )
    return text
