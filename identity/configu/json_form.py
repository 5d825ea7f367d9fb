"""JSON values of configs as what they stand for. Pure."""

from __future__ import annotations

import json
from typing import Any

from identity.strict_json import strict_value


def parsed(value: str) -> Any:
    """What a config's value stands for: a JSON value, or the text itself."""
    try:
        return strict_value(value)
    except ValueError:
        return value


def form_of(value: object) -> str:
    """A text that equal JSON values share: 1 is 1.0, and neither is true."""
    return json.dumps(_whole(value), sort_keys=True)


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value
