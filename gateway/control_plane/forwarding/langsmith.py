"""Lines of the journal as runs of LangSmith: `POST /runs/batch`, as its own client sends them.

A run's id follows from the project and the line, so that one which is sent again is the same run;
the server answers 409 for it, which its own client takes for success, too.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from gateway.control_plane.forwarding.http_post import Poster
from gateway.control_plane.forwarding.record import Record, Rejected, Taken, Verdict

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "audit.devwiz-gw.invalid")
_BAD: Final = frozenset({"denied", "failed", "refused"})


class LangSmithRuns:
    """A `Destination`: a project of LangSmith, `session` by the API's name."""

    def __init__(self, poster: Poster, *, session: str) -> None:
        self._poster = poster
        self._session = session

    async def send(self, records: Sequence[Record]) -> Verdict:
        """See `Destination.send`."""
        body = {"post": [run_of(record, self._session) for record in records], "patch": []}
        verdict, _ = await self._poster.post(json.dumps(body).encode())
        # Of several it isn't known which was there: they are asked for one by one.
        has_it = isinstance(verdict, Rejected) and verdict.has_one and len(records) == 1
        return Taken() if has_it else verdict

    async def close(self) -> None:
        """See `Destination.close`."""
        await self._poster.close()


def run_of(record: Record, session: str) -> dict[str, Any]:
    """The run of a line: begun and ended when the line was written."""
    project = record.said("project")
    run_id = str(uuid.uuid5(uuid.uuid5(_NAMESPACE, project), record.digest))
    at, outcome = record.at, record.said("outcome")
    return {
        "id": run_id,
        "trace_id": run_id,
        "dotted_order": f"{_compact(at)}{run_id}",
        "name": record.said("action") or "audit",
        "run_type": "tool",
        "session_name": session,
        "start_time": at.isoformat(),
        "end_time": at.isoformat(),
        "inputs": {"name": record.said("name"), "user": record.fields.get("user", {})},
        "outputs": {"outcome": outcome},
        "error": (record.said("reason") or outcome) if outcome in _BAD else None,
        "tags": ["audit", f"outcome:{outcome}"],
        "extra": {"metadata": {"line": record.text, "seq": record.seq, "hash": record.digest}},
    }


def _compact(at: datetime) -> str:
    """As LangSmith's `dotted_order` has it."""
    return at.strftime("%Y%m%dT%H%M%S%fZ")
