"""A request's document as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.cli.output import paint, pairs, printable, table, width

_AUTHS: Final = {
    "inject": "the route's; the caller's own are taken away",
    "passthrough": "the caller's own",
}
_HEADINGS: Final = ("TIME", "ID", "ROUTE", "REQUEST", "STATUS", "WHY")


def request_lines(requests: list[Mapping[str, Any]], *, columns: int | None) -> list[str]:
    """A table, the newest last; what happened is cut to the terminal's width."""
    if not requests:
        return []
    rows = [(_clock(line), *_cells(line)) for line in requests]
    lines = table(_HEADINGS, rows)
    if columns is None:
        return lines
    return [line if width(line) <= columns else f"{line[: columns - 1]}…" for line in lines]


def _cells(line: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    why = _text(line, "detail") or _text(line, "title")
    reason = _text(line, "reason")
    return (
        _text(line, "id"),
        _text(line, "route"),
        _asked(line),
        _status(line),
        f"{reason}: {why}" if reason and why else reason or why,
    )


def explanation_lines(document: Mapping[str, Any]) -> list[str]:
    """All that is known of one request."""
    line: Mapping[str, Any] = document.get("request") or {}
    return [
        f"{paint('request', 'strong')} {_text(line, 'id')}  {_text(line, 'ts')}",
        *pairs(list(_way(line, document))),
        *_trouble(line),
        *_alerts(document.get("alerts") or []),
    ]


def _way(line: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "caller", f"{_text(line, 'caller')}, connected for {_span(line, 'connection_age_ms')}"
    yield "asked", _asked(line)
    yield "route", f"{_text(line, 'route')} → {_text(document, 'upstream') or 'gone by now'}"
    if headers := [_header(header) for header in document.get("headers") or []]:
        yield "attached", ", ".join(headers)
    if auth := _text(document, "auth"):
        yield "credentials", _AUTHS.get(auth, auth)
    yield "over", _connection(line)
    if certificate := document.get("certificate"):
        yield "certificate", _certificate(certificate)
    elif line.get("generation") is not None:
        yield "certificate", f"generation {_text(line, 'generation')}"
    yield "answer", _answer(line)
    yield "bytes", f"{_text(line, 'bytes_up')} up, {_text(line, 'bytes_down')} down"
    if line.get("replayed"):
        yield "replayed", "yes: the first connection was closed or refused before an answer"
    if line.get("token_refreshed"):
        yield "token", "refreshed: the first answer was a 401, and the request was sent once more"
    if trace := _text(line, "traceparent"):
        yield "trace", trace


def _connection(line: Mapping[str, Any]) -> str:
    address = _text(line, "upstream")
    if not address:
        return "no connection"
    if not line.get("tls_group") and line.get("stage"):
        return f"{address}, without a finished handshake"
    used = "used before" if line.get("reused") else "made for it"
    parts = [address, f"{used}, {_span(line, 'upstream_age_ms')} old"]
    parts += [_text(line, name) for name in ("peer", "tls_group") if line.get(name)]
    return ", ".join(parts)


def _header(header: Mapping[str, Any]) -> str:
    secrets = ", ".join(str(name) for name in header.get("secrets") or [])
    name = _text(header, "name")
    return f"{name} (secret {secrets})" if secrets else name


def _certificate(certificate: Mapping[str, Any]) -> str:
    known = (
        f"generation {_text(certificate, 'generation')}",
        f"serial {_text(certificate, 'serial')}",
        _text(certificate, "spiffe_id"),
        f"until {_text(certificate, 'not_after')}",
        "" if certificate.get("in_use") else "replaced since",
    )
    return ", ".join(filter(None, known))


def _answer(line: Mapping[str, Any]) -> str:
    total = _span(line, "total_ms")
    if not line.get("first_byte_ms"):
        return f"{_status(line)} after {total}"
    return f"{_status(line)}, first byte after {_span(line, 'first_byte_ms')}, end after {total}"


def _trouble(line: Mapping[str, Any]) -> list[str]:
    if "stage" not in line:
        return []
    rows = [
        ("stage", _text(line, "stage")),
        ("reason", _text(line, "reason") or "the upstream's own answer"),
        ("meaning", _text(line, "title")),
        ("detail", _text(line, "detail")),
        ("remedy", _text(line, "remedy")),
    ]
    return ["", paint("why", "strong"), *pairs([row for row in rows if row[1]])]


def _alerts(alerts: list[Mapping[str, Any]]) -> list[str]:
    """TLS alerts by which the upstream refused the certificate meanwhile."""
    if not alerts:
        return []
    rows = [
        (_text(alert, "at"), f"{_text(alert, 'alert')}: {_text(alert, 'cause')}")
        for alert in alerts
    ]
    return ["", paint("late alerts of the upstream meanwhile", "strong"), *pairs(rows)]


def _asked(line: Mapping[str, Any]) -> str:
    words = ("method", "path", "mcp_method", "mcp_name")
    return " ".join(filter(None, (_text(line, word) for word in words)))


def _status(line: Mapping[str, Any]) -> str:
    return _text(line, "status") if line.get("status") else "no answer"


def _clock(line: Mapping[str, Any]) -> str:
    return _text(line, "ts")[11:23] or "-"


def _span(line: Mapping[str, Any], name: str) -> str:
    """Milliseconds as people say them."""
    value = line.get(name)
    ms = float(value) if isinstance(value, int | float) else 0.0
    if ms < 1000:
        return f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s"


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return "" if value is None else printable(str(value))
