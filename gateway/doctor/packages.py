"""Whether another distribution or a folder stands in place of one of our packages (ADR 0001)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Final

from gateway.doctor.finding import Finding

NAMES: Final = ("gateway", "identity", "certs")
_OURS: Final = "devwiz-gw"
_REMEDY: Final = (
    "install devwiz-gw again, in an environment of its own (pipx, uv tool, or a virtual "
    "environment that holds nothing else)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What is imported under our names, and what else there is.

    Attributes:
        files: of each package the file of its `__init__`; None where it has none any more.
        owners: the distributions that say that they brought a package.
        others: folders and files of the same names elsewhere on the import path.
    """

    files: Mapping[str, Path | None]
    owners: Mapping[str, Sequence[str]]
    others: Mapping[str, Sequence[Path]]


def look() -> Installed:
    """At this very process."""
    files = {name: import_module(name).__file__ for name in NAMES}
    found = {name: Path(file) if file else None for name, file in files.items()}
    owners = metadata.packages_distributions()
    return Installed(
        files=found,
        owners={name: sorted(set(owners.get(name, ()))) for name in NAMES},
        others={name: list(_elsewhere(name, found[name], sys.path)) for name in NAMES},
    )


def _elsewhere(name: str, ours: Path | None, path: Iterable[str]) -> Iterator[Path]:
    own = ours.parent.resolve() if ours is not None else None
    for entry in dict.fromkeys(path):
        for found in (Path(entry, name), Path(entry, f"{name}.py")):
            # A folder without the file that makes it a package gives way to one that has it.
            is_module = found.is_file() if found.suffix else (found / "__init__.py").is_file()
            if is_module and found.resolve() != own:
                yield found


def judge(installed: Installed) -> Finding:
    """The finding about all three."""
    broken, doubtful = list(_broken(installed)), list(_doubtful(installed))
    if broken or doubtful:
        return Finding(
            rung="packages",
            result="fail" if broken else "warn",
            detail="; ".join([*broken, *doubtful]),
            remedy=_REMEDY if broken else "leave that folder out of PYTHONPATH, or rename it",
        )
    where = {file.parent.parent for file in installed.files.values() if file is not None}
    detail = f"all three are ours, in {', '.join(map(str, where))}"
    return Finding(rung="packages", result="pass", detail=detail)


def _broken(installed: Installed) -> Iterator[str]:
    for name, owners in installed.owners.items():
        if strangers := [owner for owner in owners if owner.lower() != _OURS]:
            yield f"the package {name} is also that of {', '.join(strangers)}"
    for name, file in installed.files.items():
        if file is None:
            yield f"the package {name} has lost its __init__.py, as when another one was removed"
    where = {file.parent.parent for file in installed.files.values() if file is not None}
    if len(where) > 1:
        yield f"the packages come from {len(where)} places: {', '.join(sorted(map(str, where)))}"


def _doubtful(installed: Installed) -> Iterator[str]:
    for name, others in installed.others.items():
        if others:
            yield f"{', '.join(map(str, others))} has the name of the package {name}"
