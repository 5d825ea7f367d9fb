"""What `devwiz-gw explain` tells of a request: its line, and what was known around it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from certs.generation import Generation
from gateway.config.identities import identity_of
from gateway.config.model import Config, Route
from gateway.control_plane.recent_lines import Line, RecentLines
from gateway.control_plane.status import rfc3339
from gateway.ipc.events import Event

_MOST_CERTIFICATES: Final = 64
_MOST_ALERTS: Final = 256
#: Stages in which an address is known and no connection to it is made yet.
_NO_CONNECTION: Final = frozenset({"dns", "connect", "tls"})
#: Lines and alerts come on different ways, and are stamped by different clocks.
_ABOUT: Final = timedelta(seconds=2)


class Meaning(Protocol):
    """What the reason in a line means."""

    @property
    def stage(self) -> str:
        """The step that failed."""
        ...

    @property
    def title(self) -> str:
        """What happened."""
        ...

    @property
    def remedy(self) -> str:
        """What to do."""
        ...


@dataclass(frozen=True, slots=True)
class _Alert:
    at: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class _Certificate:
    """What may be remembered of a generation: its key may not."""

    number: int
    serial: str
    spiffe_id: str
    not_after: datetime


class RequestHistory:
    """Gathers on the loop what workers tell. `meaning` explains the reasons in their lines."""

    def __init__(self, meaning: Callable[[str], Meaning]) -> None:
        self._meaning = meaning
        self._lines = RecentLines()
        self._certificates: defaultdict[str, deque[_Certificate]] = defaultdict(
            lambda: deque(maxlen=_MOST_CERTIFICATES)
        )
        self._alerts: deque[_Alert] = deque(maxlen=_MOST_ALERTS)

    def take(self, lines: bytes) -> None:
        """Keep access-log lines."""
        self._lines.take(lines)

    def note_generation(self, identity: str, generation: Generation) -> None:
        """A certificate of the identity of that name came into use."""
        self._certificates[identity].append(
            _Certificate(
                generation.number, generation.serial, generation.spiffe_id, generation.not_after
            )
        )

    def note_alert(self, event: Event, at: datetime) -> None:
        """An upstream refused the certificate."""
        self._alerts.append(_Alert(at, event))

    def latest(self, count: int, *, failed: bool) -> list[Line]:
        """See `RecentLines.latest`; failures with what their reasons mean."""
        return [self._with_meaning(line) for line in self._lines.latest(count, failed=failed)]

    def explained(self, key: str, config: Config) -> list[dict[str, Any]]:
        """A document for each request with this id, or of this trace."""
        return [self._document(line, config) for line in self._lines.find(key)]

    def _document(self, line: Line, config: Config) -> dict[str, Any]:
        routes = [route for route in config.routes if route.name == line.get("route")]
        return {
            "request": self._with_meaning(line),
            "upstream": routes[0].upstream_url if routes else None,
            "auth": routes[0].auth if routes and routes[0].kind == "http" else None,
            "headers": _attached(routes[0]) if routes and _was_sent(line) else [],
            "certificate": self._certificate(line, identity_of(routes[0], config))
            if routes
            else None,
            "alerts": [_shown(alert) for alert in self._alerts if _belongs(alert, line)],
        }

    def _with_meaning(self, line: Line) -> Line:
        if "stage" not in line:
            return line
        meaning = self._meaning(str(line.get("reason", "")))
        return line | {"title": meaning.title, "remedy": meaning.remedy}

    def _certificate(self, line: Line, identity: str) -> dict[str, Any] | None:
        number = line.get("generation")
        known = self._certificates[identity]
        for certificate in known:
            if certificate.number == number:
                return {
                    "generation": number,
                    "serial": certificate.serial,
                    "spiffe_id": certificate.spiffe_id or None,
                    "not_after": rfc3339(certificate.not_after),
                    "in_use": certificate is known[-1],
                }
        return None


def _was_sent(line: Line) -> bool:
    """Whether there was a connection to send the request on: to its address, and verified."""
    unfinished = line.get("stage") in _NO_CONNECTION or line.get("reason") == "peer_rejected"
    return bool(line.get("upstream")) and not unfinished


def _attached(route: Route) -> list[dict[str, Any]]:
    """Which headers the route attaches today, and the names of the secrets in them."""
    return [{"name": item.name, "secrets": list(item.secret_names)} for item in route.headers]


def _belongs(alert: _Alert, line: Line) -> bool:
    """Whether the refusal is the request's: of its route, and of its certificate, which a worker
    tells of once; or it came while the request was under way, as a replayed one meets it.
    """
    try:
        end = datetime.fromisoformat(str(line.get("ts")))
        took = timedelta(milliseconds=float(line.get("total_ms", 0)))
    except (TypeError, ValueError, OverflowError):
        return False
    if alert.event.text("route") != line.get("route") or alert.at > end + _ABOUT:
        return False
    same_certificate = alert.event.integer("generation", 0) == line.get("generation")
    return same_certificate or end - took - _ABOUT <= alert.at


def _shown(alert: _Alert) -> dict[str, Any]:
    return {
        "at": alert.at.isoformat(timespec="milliseconds"),
        "alert": alert.event.text("alert"),
        "cause": alert.event.text("cause"),
        "generation": alert.event.integer("generation", 0),
    }
