"""The pages of docs/reference/errors/, one an area, and the page that leads to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from gateway.cli.exit_codes import ExitCode
from gateway.data_plane import failure
from gateway.doctor.finding import RUNGS
from tests.error_reference import words
from tests.error_reference.areas import AREAS, Area, area_of
from tests.error_reference.entries import Entry, Found, Kind

_NOTE: Final = "<!-- Generated from the code by `python -m tests.error_reference`. -->"
_PLACEHOLDER: Final = re.compile(r"\{\w+\}|…")


_OWN_PAGES: Final = {
    "requests": ("Requests", "What a request is answered when it fails, and how streams end."),
    "configuration": ("Configuration", "What is wrong in `devwiz-gw.toml`, key by key."),
    "doctor": ("doctor", "What `doctor` warns of, rung by rung."),
    "status": ("status", "Why the gateway isn't ready, in `status`, `wait` and `/readyz`."),
}


def pages(found: Found) -> dict[str, str]:
    """Each page by its path below docs/reference/."""
    made = {"errors.md": _index(found)}
    made["errors/requests.md"] = _requests(found)
    made["errors/configuration.md"] = _configuration(found)
    made["errors/doctor.md"] = _doctor(found)
    made["errors/status.md"] = _status()
    for area in AREAS:
        made[f"errors/{area.name}.md"] = _area(area, found)
    return {path: text.rstrip() + "\n" for path, text in made.items()}


def is_carried(entry: Entry) -> bool:
    """Whether it passes on another error, which has an entry of its own."""
    return not re.sub(r"\W", "", _PLACEHOLDER.sub("", entry.message))


def plain(text: str) -> str:
    """As it reads in a table's cell: marks of Markdown outside of code mean nothing."""
    text = re.sub(r"^\{(own_)?hint\}|(?<=; or: )\{(own_)?hint\}", "as that error says", text)
    parts = text.replace("|", r"\|").split("`")
    if len(parts) % 2 == 0:
        return r"\`".join(_escaped(part) for part in parts)
    return "`".join(part if index % 2 else _escaped(part) for index, part in enumerate(parts))


def _escaped(text: str) -> str:
    return re.sub(r"([*<>\[\]]|\b_|_\b)", r"\\\1", text)


def code(text: str) -> str:
    """A text as it is printed."""
    shown = text.replace("|", r"\|")
    return f"`` {shown} ``" if "`" in text else f"`{shown}`"


def _order(entry: Entry) -> tuple[str, str]:
    words = re.sub(r"[^\w ]+", "", _PLACEHOLDER.sub("", entry.message)).strip().lower()
    return words, entry.key


def _index(found: Found) -> str:
    lines = ["# Errors", "", _NOTE, "", words.INTRODUCTION, ""]
    lines += ["| page | what is on it |", "|---|---|"]
    for name, (title, about) in _OWN_PAGES.items():
        lines.append(f"| [{title}](errors/{name}.md) | {about} |")
    lines += [f"| [{area.title}](errors/{area.name}.md) | {area.about} |" for area in AREAS]
    lines += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code.value} | {code.meaning} |" for code in ExitCode]
    lines += ["", "## Kinds of errors", "", words.KINDS, ""]
    for kind in sorted(found.kinds.values(), key=lambda kind: kind.name.lower()):
        lines += _kind(kind, found)
    return "\n".join(lines)


def _kind(kind: Kind, found: Found) -> Iterator[str]:
    areas = {area_of(entry.module).name for entry in found.faults if entry.kind == kind.name}
    if not areas and kind.name != "ConfigInvalid":
        return
    yield from (f"### {kind.name}", "", plain(kind.meaning), "")
    if kind.remedy:
        yield from (f"What to do, where nothing better is said: {plain(kind.remedy)}.", "")
    if kind.name == "ConfigInvalid":
        areas = {"configuration"}
    titles = {area.name: area.title for area in AREAS} | {"configuration": "Configuration"}
    links = ", ".join(f"[{titles[name]}](errors/{name}.md)" for name in sorted(areas))
    yield from (f"On the pages: {links}.", "")


def _area(area: Area, found: Found) -> str:
    lines = [f"# Errors: {area.title}", "", _NOTE, "", area.about, ""]
    there = [entry for entry in found.faults if area_of(entry.module) is area]
    answers = [entry for entry in there if entry.kind in words.CODED]
    lines += [*_faults([entry for entry in there if entry.kind not in words.CODED])]
    if area.name == "audit":
        lines += ["", "## What `audit verify` finds", ""]
        lines += _table(("found", "what to do"), words.AUDIT_FINDINGS.items())
    for kind, (title, about) in words.CODED.items():
        coded = [entry for entry in answers if entry.kind == kind]
        if coded:
            lines += ["", f"## {title}", "", about, "", *_coded(coded)]
    return "\n".join(lines)


def _faults(entries: Iterable[Entry]) -> Iterator[str]:
    yield from ("| printed | what to do | kind |", "|---|---|---|")
    rows: dict[str, None] = {}
    for entry in sorted(entries, key=_order):
        if not is_carried(entry):
            kind = f"[{entry.kind}](../errors.md#{entry.kind.lower()})"
            rows[f"| {code(entry.message)} | {plain(entry.hint)} | {kind} |"] = None
    yield from rows


def _coded(entries: Iterable[Entry]) -> Iterator[str]:
    yield from ("| code | printed | what to do |", "|---|---|---|")
    rows: dict[str, None] = {}
    for entry in sorted(entries, key=lambda entry: (entry.key, _order(entry))):
        if not entry.key.startswith("{"):
            rows[f"| `{entry.key}` | {code(entry.message)} | {plain(entry.hint)} |"] = None
    yield from rows


def _table(heads: tuple[str, str], rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from (f"| {heads[0]} | {heads[1]} |", "|---|---|")
    for printed, remedy in rows:
        yield f"| {code(printed)} | {plain(remedy)} |"


def _requests(found: Found) -> str:
    title, about = _OWN_PAGES["requests"]
    lines = [f"# Errors: {title}", "", _NOTE, "", about, "", words.REQUESTS, ""]
    for reason in failure.REASONS:
        told = failure.explanation(reason)
        status = failure.status_of(failure.Failure(reason, ""))
        lines += [f"## {reason}", "", f"{told.title[:1].upper()}{told.title[1:]}.", ""]
        lines += ["| | |", "|---|---|"]
        lines.append(f"| answered with | {status or 'nothing: something had begun already'} |")
        lines.append(f"| step | {told.stage} |")
        lines += [f"| what to do | {plain(told.remedy)} |"]
        details = [entry for entry in found.failures if reason in reasons_of(entry)]
        said = {code(entry.message): None for entry in sorted(details, key=_order)}
        known = [text for text in said if not re.fullmatch(r"`(\{\w+\}|…)`", text)]
        lines += [f"| as `detail` | {'<br>'.join(known)} |"] if known else []
        lines.append("")
    return "\n".join(lines)


#: Modules in which a malformed message is the upstream's; of the others it is the client's, and of
#: what both share it may be either's.
_OF_UPSTREAMS: Final = ("gateway.data_plane.upstream", "gateway.data_plane.wire.response")
_SHARED: Final = ("gateway.data_plane.wire.body", "gateway.data_plane.wire.fields")


def reasons_of(entry: Entry) -> tuple[str, ...]:
    """The reasons under which a detail is told."""
    if entry.module in _OF_UPSTREAMS and entry.kind == "violation":
        return ("bad_response",)
    if entry.key in failure.REASONS:
        return (entry.key,)
    return ("bad_request", "bad_response") if entry.module in _SHARED else ("bad_request",)


def _configuration(found: Found) -> str:
    title, about = _OWN_PAGES["configuration"]
    lines = [f"# Errors: {title}", "", _NOTE, "", about, "", words.CONFIGURATION, ""]
    entries = [entry for entry in found.problems if not is_carried(entry)]
    general = [entry for entry in entries if entry.module == "gateway.config.table"]
    lines += ["## Of any key", "", "| problem | what to do |", "|---|---|"]
    lines += dict.fromkeys(
        f"| {code(entry.message)} | {plain(entry.hint)} |" for entry in sorted(general, key=_order)
    )
    lines += ["", "## Of one key", "", "| problem | key | what to do |", "|---|---|---|"]
    keys: dict[tuple[str, str], dict[str, None]] = {}
    for entry in sorted(entries, key=_order):
        if entry not in general:
            known = keys.setdefault((entry.message, entry.hint), {})
            if entry.key and not _PLACEHOLDER.fullmatch(entry.key):
                known[code(entry.key)] = None
    lines += [
        f"| {code(message)} | {', '.join(known)} | {plain(hint)} |"
        for (message, hint), known in keys.items()
    ]
    return "\n".join(lines)


def _doctor(found: Found) -> str:
    title, about = _OWN_PAGES["doctor"]
    lines = [f"# Errors: {title}", "", _NOTE, "", about, "", words.DOCTOR, ""]
    rungs = {rung: [entry for entry in found.findings if entry.key == rung] for rung in RUNGS}
    rungs["http"] += [entry for entry in found.findings if entry.key.startswith("{")]
    for rung, entries in rungs.items():
        lines += [f"## {rung}", "", words.RUNGS[rung], ""]
        shown = {
            f"| {code(entry.message)} | {plain(entry.hint)} |": None
            for entry in sorted(entries, key=_order)
            if not is_carried(entry)
        }
        if shown:
            lines += ["| found | what to do |", "|---|---|", *shown, ""]
    return "\n".join(lines)


def _status() -> str:
    title, about = _OWN_PAGES["status"]
    lines = [f"# Errors: {title}", "", _NOTE, "", about, ""]
    return "\n".join([*lines, *_table(("reason", "what to do"), words.STATUS_REASONS.items())])
