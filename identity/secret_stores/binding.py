"""Which configuration files may use a project's secrets, and where its state is kept. Pure.

The name of a project is anybody's to write into a file, and the environment that says where the
audit journal and the touch counters are is the caller's. So a store keeps both for each project,
from its first use on: what asks with another file or another state folder is refused, until a
person says that it is meant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

from identity.errors import BindingRefused, ProjectElsewhere, StateElsewhere

#: What can be done to a binding: let the asking file in, keep a file out, take the asking state
#: folder for the project's.
Rebinding = Literal["bind", "unbind", "move"]
REBINDINGS: Final[tuple[Rebinding, ...]] = ("bind", "unbind", "move")

_BIND: Final = "devwiz-gw secret bind"


def _nobody(_project: str) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks a store.

    Attributes:
        file: the configuration file that the secrets are for, links in its folder resolved; ""
            where a person names the project.
        state: the folder under which journals and touch counters would be kept.
        is_agent: whether a coding agent is behind it, which is never the first to use what is kept.
        on_bound: called with the project when a use has bound it.
    """

    file: str = ""
    state: str
    is_agent: bool = False
    on_bound: Callable[[str], None] = field(default=_nobody, compare=False, repr=False)

    def message(self) -> dict[str, Any]:
        """The asker as a part of a message to another process."""
        return {"file": self.file, "state": self.state, "is_agent": self.is_agent}


def read_asker(message: Mapping[str, Any] | None) -> Asker | None:
    """The asker in a message. Raises KeyError or TypeError for what is none."""
    if message is None:
        return None
    return Asker(
        file=_text(message["file"]),
        state=_text(message["state"]),
        is_agent=bool(message["is_agent"]),
    )


@dataclass(frozen=True, slots=True)
class Binding:
    """What a project is bound to: files that may use it, and its state folder. Either may be
    missing: it is bound by the next use.
    """

    files: tuple[str, ...] = ()
    state: str = ""

    def text(self, project: str) -> str:
        """How a store keeps it: plain ASCII, and of no use to another project."""
        return json.dumps({"project": project, "files": list(self.files), "state": self.state})


def read_binding(text: str, project: str) -> Binding:
    """The binding of `project` in a text. Raises ValueError for another's, or for none.

    A bare list of files is what earlier versions kept, without a state folder.
    """
    try:
        raw = json.loads(text)
        if isinstance(raw, list):
            return Binding(tuple(_text(file) for file in raw))
        if raw["project"] != project:
            raise ValueError("it is another project's")
        return Binding(tuple(_text(file) for file in raw["files"]), _text(raw["state"]))
    except (KeyError, TypeError, RecursionError):
        raise ValueError("it is not readable") from None


class Bindable(Protocol):
    """A store that keeps projects apart by who asks."""

    def binding(self, project: str) -> Binding | None:
        """What `project` is bound to, if it was ever used. Raises as reading a secret does."""
        ...

    def rebind(self, project: str, how: Rebinding, file: str = "") -> Binding:
        """Change it, for the asker, or keep out `file`; what it is now. See `rebound`."""
        ...

    def close(self) -> None:
        """Release what the store holds open."""
        ...


def admitted(
    binding: Binding | None, project: str, asker: Asker, *, is_kept: Callable[[], bool]
) -> Binding:
    """What `project` is bound to once `asker` has used it. `is_kept` tells whether there is
    anything yet that could be taken; it is asked only where something would be bound.

    Raises:
        ProjectElsewhere, StateElsewhere: the asker may not use it.
    """
    bound = binding or Binding()
    if asker.file and bound.files and asker.file not in bound.files:
        raise ProjectElsewhere(
            f"the secrets of project {project} belong to {', '.join(bound.files)}, "
            f"not to {asker.file}",
            hint=f"if you moved it, or mean both: {_BIND}, there; "
            "otherwise give this configuration a project of its own",
        )
    if bound.state and bound.state != asker.state:
        raise _state_elsewhere(bound, project, asker)
    after = Binding(bound.files or ((asker.file,) if asker.file else ()), asker.state)
    if after != bound and asker.is_agent and is_kept():
        raise ProjectElsewhere(
            f"the secrets of project {project} are bound to no configuration and journal yet, and "
            "an agent may not be the first to use them",
            hint=f"run it once yourself, or: {_BIND}",
        )
    return after


def rebound(
    binding: Binding | None, project: str, how: Rebinding, asker: Asker, file: str
) -> Binding:
    """What `project` is bound to after a person's word; `file` is the one to keep out.

    Raises:
        StateElsewhere: a file is let in only where the journal would tell of it.
        BindingRefused: `file` isn't among the files, or is the last one.
    """
    bound = binding or Binding()
    if how == "unbind":
        return _without(bound, project, file)
    if how == "move":
        # Also by a file that isn't let in yet: on a new machine neither is as it was.
        return replace(bound, state=asker.state)
    if bound.state and bound.state != asker.state:
        raise _state_elsewhere(bound, project, asker)
    files = dict.fromkeys((*bound.files, *([asker.file] if asker.file else [])))
    return Binding(tuple(files), asker.state)


def _without(bound: Binding, project: str, file: str) -> Binding:
    left = tuple(name for name in bound.files if name != file)
    if left == bound.files:
        raise BindingRefused(
            f"{file} is not among the configurations of project {project}",
            hint="devwiz-gw secret bound lists them",
        )
    if not left:
        raise BindingRefused(
            f"{file} is the only configuration of project {project}",
            hint=f"the next one that asks would get its secrets; let that in first: {_BIND}, there",
        )
    return replace(bound, files=left)


def _state_elsewhere(bound: Binding, project: str, asker: Asker) -> StateElsewhere:
    return StateElsewhere(
        f"the journal of project {project} is kept under {bound.state}, "
        f"and this would be recorded under {asker.state}",
        hint="unset XDG_STATE_HOME, or set it, and HOME, as they were; to move the state on "
        "purpose: devwiz-gw secret move-state",
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value
