"""Medians over the rounds, the table and the record."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.measures import CONNECTIONS, STREAMS, Sample

DIRECT = "direct"

#: Key, what it is called, digits after the point.
ROWS = (
    ("steady_cpu_us", f"CPU µs a request, {CONNECTIONS} connections, paced", 1),
    ("steady_s", "requests/s then", 0),
    ("single_cpu_us", "CPU µs a request, 1 connection", 1),
    ("request_cpu_us", f"CPU µs a request, {CONNECTIONS} connections, flat out", 1),
    ("requests_s", "requests/s flat out", 0),
    ("one_worker_cpu_us", "the same on all cores, 1 worker", 1),
    ("two_workers_cpu_us", "the same on all cores, 2 workers", 1),
    ("p50_us", "latency p50 µs, 1 connection", 0),
    ("p99_us", "latency p99 µs, 1 connection", 0),
    ("added_p50_us", "added to direct, p50 µs", 0),
    ("added_p99_us", "added to direct, p99 µs", 0),
    ("event_cpu_us", f"CPU µs an SSE event, {STREAMS} streams", 1),
    ("event_p50_us", "event latency p50 µs", 0),
    ("event_p99_us", "event latency p99 µs", 0),
    ("stream_kib", "KiB an idle SSE stream", 1),
    ("idle_mib", "MiB of an idle process tree", 1),
    ("handshake_cpu_us", "CPU µs a TLS handshake", 0),
    ("handshakes_s", "TLS handshakes/s", 0),
    ("down_cpu_s_gb", "CPU s a GB down", 2),
    ("down_mb_s", "MB/s down", 0),
    ("up_cpu_s_gb", "CPU s a GB up", 2),
    ("up_mb_s", "MB/s up", 0),
)


def medians(samples: Mapping[str, Sequence[Sample]]) -> dict[str, Sample]:
    """One sample a proxy, the median of its rounds; latency above direct's is worked out here."""
    result = {
        name: {key: statistics.median(sample[key] for sample in rounds) for key in rounds[0]}
        for name, rounds in samples.items()
    }
    plain = result.get(DIRECT)
    for name, sample in result.items():
        if plain is not None and name != DIRECT:
            for part in ("p50_us", "p99_us"):
                sample[f"added_{part}"] = sample[part] - plain[part]
    return result


def table(middle: Mapping[str, Sample], ours: str, others: Sequence[str]) -> str:
    """An aligned Markdown table: a column a proxy, then ours as a multiple of each other one's."""
    compared = [name for name in others if name in middle and ours in middle]
    lines = [["", *middle, *(f"÷ {name}" for name in compared)]]
    for key, title, digits in ROWS:
        cells = [_number(sample.get(key), digits) for sample in middle.values()]
        ratios = [_ratio(middle[ours].get(key), middle[name].get(key)) for name in compared]
        if any(cells):
            lines.append([title, *cells, *ratios])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, rule)
    return "\n".join("| " + " | ".join(_aligned(line, widths)) + " |" for line in lines)


def _aligned(line: list[str], widths: list[int]) -> list[str]:
    first, *rest = widths
    return [line[0].ljust(first), *(c.rjust(w) for c, w in zip(line[1:], rest, strict=True))]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _ratio(ours: float | None, theirs: float | None) -> str:
    return "" if ours is None or not theirs else f"{ours / theirs:.2f}"


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Everything that was measured, to be read again."""
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
