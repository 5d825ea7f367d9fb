"""The formats by their names; each is imported when it is needed. Pure."""

from __future__ import annotations

from typing import Literal

from gateway.clients.files.base import FileFormat


def format_named(name: Literal["json", "toml", "yaml"]) -> FileFormat:
    """The format that a known client's file has."""
    if name == "toml":
        from gateway.clients.files.toml import TOML

        return TOML
    if name == "yaml":
        from gateway.clients.files.yaml import YAML

        return YAML
    from gateway.clients.files.jsonc import JSONC

    return JSONC
