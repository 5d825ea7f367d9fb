"""Prometheus text exposition, version 0.0.4, as a pure function of families and samples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "devwiz_gw_"

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: the metric's name plus `suffix`, labels and a value."""

    value: float
    labels: Labels = ()
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples; `name` is without the prefix."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "summary"]
    help: str
    samples: tuple[Sample, ...]


def render(families: Iterable[Family]) -> str:
    """The exposition text; a family without samples is left out."""
    return "".join(_family(family) for family in families if family.samples)


def _family(family: Family) -> str:
    name = PREFIX + family.name
    text = family.help.replace("\\", r"\\").replace("\n", r"\n")
    lines = [
        f"{name}{sample.suffix}{_labels(sample.labels)} {number(sample.value)}\n"
        for sample in family.samples
    ]
    return f"# HELP {name} {text}\n# TYPE {name} {family.kind}\n" + "".join(lines)


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escape(value)}"' for key, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    """A number as the format has it: whole where it is whole."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
