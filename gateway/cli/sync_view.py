"""What `sync` shows: names, never values. `now` comes in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.output import duration, paint, printable, table
from gateway.config.variable_names import steering_of

if TYPE_CHECKING:
    from gateway.config.model import ConfiguConfig
    from gateway.configu.contact import Contact
    from gateway.configu.sync import Report

_STYLES: Final = {
    "new": "good",
    "changed": "good",
    "drift": "warning",
    "pending": "warning",
    "sealed": "warning",
    "stale": "warning",
    "invalid": "bad",
}
_QUIET: Final = frozenset({"same", "missing"})


def document(
    project: str,
    configu: ConfiguConfig,
    report: Report,
    contact: Contact,
    *,
    now: datetime,
    dry_run: bool,
) -> dict[str, Any]:
    """The result for programs. `good` is false where somebody has to look at something."""
    from identity.configu.comparison import WRONG

    age = contact.age_s(now)
    offline = contact.too_old(now, configu.max_offline_s)
    return {
        "project": project,
        "url": configu.url,
        "org": configu.org,
        "set": configu.set,
        "dry_run": dry_run,
        "answered_at": _text(contact.answered_at),
        "age_s": None if age is None else round(age, 3),
        "problem": contact.problem or None,
        "too_old": offline or None,
        "good": not offline and not any(item.kind in WRONG for item in report.findings),
        "configs": [
            {
                "name": item.name,
                "state": item.kind,
                "reason": item.reason or None,
                "written": item.name in report.written,
                "danger": steering_of(item.name) or None,
                "unchecked": item.name in report.unchecked,
            }
            for item in report.findings
        ],
    }


def lines(told: Mapping[str, Any]) -> list[str]:
    """A table of what is not as it was; what stays the same is only counted."""
    rows = [
        (item["name"], _state(item), item["reason"] or "")
        for item in told["configs"]
        if item["state"] not in _QUIET
    ]
    if not rows:
        return []
    heading, *body = table(("NAME", "STATE", "WHY"), rows)
    shown = [item for item in told["configs"] if item["state"] not in _QUIET]
    return [
        heading,
        *(
            paint(text, _STYLES[item["state"]]) if item["state"] in _STYLES else text
            for item, text in zip(shown, body, strict=True)
        ),
    ]


def summary(told: Mapping[str, Any]) -> list[str]:
    """Remarks: the counts, the age of it all, and what to do."""
    configs = told["configs"]
    counts = {
        state: sum(item["state"] == state for item in configs)
        for state in dict.fromkeys(item["state"] for item in configs)
    }
    counted = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no configs"
    place = told["set"] or "the root set"
    age = told["age_s"]
    when = "never answered" if age is None else f"answered {duration(age)} ago"
    remarks = [f"{counted}; Configu ({place}) {when}"]
    if told["dry_run"] and any(item["state"] in {"new", "changed"} for item in configs):
        remarks.append("nothing was written: this was a dry run")
    if told["problem"]:
        remarks.append(printable(f"the last question was not answered: {told['problem']}"))
    if told["too_old"]:
        remarks.append(f"too old to be used: {told['too_old']}")
    if counts.get("drift"):
        remarks.append(
            "drift is left as it is: --take NAME takes Configu's value, --push NAME gives it yours"
        )
    if unchecked := [item["name"] for item in configs if item["unchecked"]]:
        names = ", ".join(unchecked)
        remarks.append(f"tests that only Configu's own client can run were left out: {names}")
    remarks += [
        f"{item['name']} is kept as a secret only: as a variable it {item['danger']}"
        for item in configs
        if item["danger"] and item["written"]
    ]
    return remarks


def _state(item: Mapping[str, Any]) -> str:
    return f"{item['state']}, written" if item["written"] else str(item["state"])


def _text(at: datetime | None) -> str | None:
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
