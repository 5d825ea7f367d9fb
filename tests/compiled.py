"""What can't be tried where the hot modules are compiled (`make test-compiled`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.data_plane import reactor

#: Compiled code takes no stand-in for one of its classes, has none derived from it by a test, and
#: makes its tuples and bytes anew. All that can be seen from outside is tried with it, too.
sources_only = pytest.mark.skipif(
    Path(reactor.__file__).suffix != ".py", reason="looks into what is compiled"
)


def attributes_of(instance: object) -> tuple[str, ...]:
    """The names of an instance's attributes."""
    kind = type(instance)
    names: tuple[str, ...] = getattr(kind, "__slots__", None) or kind.__mypyc_attrs__  # type: ignore[attr-defined]
    return names
