"""Published test vectors, kept as data beside this module; each file names its source, its licence
and what was left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def load(name: str) -> list[dict[str, Any]]:
    """The cases of `<name>.json`."""
    content = json.loads((_FOLDER / f"{name}.json").read_text(encoding="ascii"))
    cases: list[dict[str, Any]] = content["cases"]
    return cases
