"""What goes into a bundle for a bug report: chosen member by member, then scrubbed. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.doctor.finding import Finding, Report
from gateway.doctor.scrubbing import REDACTED, Scrubber

#: Lines of the log and of the journal, each.
MOST_LINES: Final = 200
# Of a configuration: texts under these keys say where something is and how it is done. Whatever
# else has a text, may be one that was put there by mistake.
_PLAIN: Final = frozenset(
    [
        "addresses",
        "affinity",
        "agent_card",
        "allowed_hosts",
        "allowed_origins",
        "alpn",
        "auth",
        "auth_mount",
        "certificate",
        "crl",
        "crl_file",
        "derive",
        "dir",
        "file",
        "folder",
        "format",
        "identity",
        "kind",
        "level",
        "listen",
        "metrics_listen",
        "method",
        "mount",
        "name",
        "otlp_endpoint",
        "path",
        "peer",
        "private_key",
        "project",
        "protocol",
        "provisioner",
        "role",
        "server_name",
        "signal",
        "socket",
        "source",
        "sources",
        "spiffe_id",
        "store",
        "subject_mode",
        "to",
        "token_url",
        "trust_bundle",
        "upstream",
        "url",
    ]
)
_PLACEHOLDER: Final = re.compile(r"\{(?:secret|token):[A-Za-z0-9._-]+\}")
#: Tables with names of a person's choice, which are in no list; and programs with their arguments.
_FREE: Final = frozenset({"headers", "otlp_headers", "env", "command"})
_WORD: Final = re.compile(r"[a-z][a-z._-]*|[A-Za-z]{1,12}")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_OF_REQUEST: Final = frozenset(
    {
        "ts",
        "event",
        "id",
        "route",
        "method",
        "mcp_method",
        "status",
        "reason",
        "stage",
        "detail",
        "title",
        "remedy",
        "bytes_up",
        "bytes_down",
        "first_byte_ms",
        "total_ms",
        "upstream",
        "peer",
        "tls_group",
        "generation",
        "upstream_age_ms",
        "connection_age_ms",
        "reused",
        "replayed",
        "token_refreshed",
    }
)
_OF_LOG: Final = _OF_REQUEST | {"level", "logger", "message"}
_OF_EVENT: Final = frozenset({"seq", "time", "project", "action", "name", "outcome", "reason"})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Gathered:
    """All that a bundle is made of, as it was found.

    `configuration` is the file's tables, None where it is no TOML; `status` and `requests` are of a
    running gateway; `log` and `journal` are the last lines.
    """

    report: Report
    configuration: Mapping[str, Any] | None
    platform: Mapping[str, Any]
    status: Mapping[str, Any] | None = None
    requests: Iterable[Mapping[str, Any]] = ()
    log: Iterable[Mapping[str, Any]] = ()
    journal: Iterable[Mapping[str, Any]] = ()


def files_of(gathered: Gathered, scrubber: Scrubber) -> dict[str, bytes]:
    """The files of the bundle by their names."""
    documents: dict[str, Any] = {
        "report.json": _report(gathered.report),
        "configuration.json": _configuration(gathered.configuration),
        "platform.json": gathered.platform,
    }
    if gathered.status is not None:
        documents["status.json"] = gathered.status
        documents["requests.json"] = list(_chosen(gathered.requests, _OF_REQUEST))
    files = {name: _json(scrubber.cleaned(value)) for name, value in documents.items()}
    for name, lines, keys in (
        ("log.jsonl", gathered.log, _OF_LOG),
        ("journal.jsonl", gathered.journal, _OF_EVENT),
    ):
        chosen = (scrubber.cleaned(line) for line in _chosen(lines, keys))
        files[name] = b"".join(json.dumps(line).encode() + b"\n" for line in chosen)
    return files


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def _chosen(lines: Iterable[Mapping[str, Any]], keys: frozenset[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        yield {key: value for key, value in line.items() if key in keys}


def _report(report: Report) -> dict[str, Any]:
    document = report.document()
    document["findings"] = [_finding(item) for item in report.findings]
    return document


def _finding(item: Finding) -> dict[str, str]:
    """What is wrong with a file is often told with the very text that should not be there."""
    document = item.document()
    if item.rung == "configuration" and item.result == "fail":
        document["detail"] = _QUOTED.sub(REDACTED, item.detail)
    return document


def _configuration(raw: Mapping[str, Any] | None) -> Any:
    return {"unreadable": True} if raw is None else _kept("", raw, plain=True)


def _kept(key: str, value: Any, *, plain: bool) -> Any:
    """What is kept of a value; of texts all where they are `plain`, else what names a secret."""
    if isinstance(value, Mapping):
        return {
            name: _kept(name, item, plain=plain and name not in _FREE)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_kept(key, item, plain=plain) for item in value]
    if isinstance(value, str) and not (plain and key in _PLAIN):
        return "".join(_PLACEHOLDER.findall(value)) or REDACTED
    return value if isinstance(value, str | bool | int | float) else type(value).__name__


def withheld(value: Any, *, key: str = "", free: bool = False) -> Iterator[str]:
    """The words of a configuration that `files_of` keeps back, so that they are taken out
    elsewhere too: all of headers, variables and commands, and others unless they are plain words.
    """
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from withheld(item, key=name, free=free or name in _FREE)
    elif isinstance(value, list):
        for item in value:
            yield from withheld(item, key=key, free=free)
    elif isinstance(value, str) and (free or key not in _PLAIN):
        words = _PLACEHOLDER.sub(" ", value).split()
        yield from (word for word in words if free or not _WORD.fullmatch(word))
