"""How values stand in columns. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Final

from certs.issuer.policy import Binding
from certs.profiles import LeafNames

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(time: datetime) -> int:
    """A time as milliseconds since 1970 UTC."""
    return (time - _EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """The time of `to_ms`."""
    return _EPOCH + timedelta(milliseconds=ms)


def binding_columns(binding: Binding) -> tuple[str, str, str, int]:
    """The columns workload, spiffe_id, dns_names, max_life_ms."""
    return (
        binding.workload,
        binding.names.spiffe_id,
        json.dumps(binding.names.dns_names),
        binding.max_life // timedelta(milliseconds=1),
    )


def binding_from(columns: tuple[str, str, str, int]) -> Binding:
    """The binding of `binding_columns`."""
    workload, spiffe_id, dns_names, max_life_ms = columns
    return Binding(
        workload=workload,
        names=LeafNames(spiffe_id=spiffe_id, dns_names=tuple(json.loads(dns_names))),
        max_life=timedelta(milliseconds=max_life_ms),
    )
