"""When a source that failed is passed over in favour of the next one. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from certs.errors import CertsError, SourceDenied, SourceUnavailable

_FIRST_S: Final = 30.0
_LONGEST_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one source: how often it failed in a row, and until when it is passed over."""

    failures: int = 0
    open_until: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether the source should be passed over while another one is left."""
        return self.open_until is not None and now < self.open_until

    def failed(self, error: CertsError, now: datetime) -> Breaker:
        """The next state after a failure: open for 30 s, doubled each time up to 5 minutes, and no
        shorter than the source wishes; after a refusal, which only a person mends, 5 minutes.
        """
        wait_s = min(_FIRST_S * 2**self.failures, _LONGEST_S)
        if isinstance(error, SourceDenied):
            wait_s = _LONGEST_S
        if isinstance(error, SourceUnavailable):
            wait_s = max(wait_s, min(error.retry_after_s or 0.0, _LONGEST_S))
        failures = min(self.failures + 1, 10)
        return Breaker(failures=failures, open_until=now + timedelta(seconds=wait_s))
