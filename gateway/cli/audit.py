"""`devwiz-gw audit`: read the audit journal, prove that it is whole, hand it on."""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from gateway.audit.event import fields_of
from gateway.audit.files import all_files, journal_path, lines_of
from gateway.audit.query import Query
from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import add_commands
from gateway.cli.snapshot import snapshot_of

_USUAL: Final = 20
_LOOK_S: Final = 0.3
_AGO: Final = re.compile(r"(\d+)([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_HEADINGS: Final = ("TIME", "USER", "PROGRAM", "ACTION", "NAME", "OUTCOME", "WHY")
_COLUMNS: Final = (
    "seq", "time", "uid", "user", "account", "pid", "exe", "project", "action", "name", "outcome",
    "reason", "prev",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `audit`."""
    commands = add_commands(parser)
    tail = commands.add(
        "tail",
        summary="show the last events",
        examples=("devwiz-gw audit tail", "devwiz-gw audit tail -n 100 --follow --json"),
        run=_tail,
    )
    tail.add_argument("-n", type=int, default=_USUAL, metavar="N", help="how many (default: 20)")
    tail.add_argument("-f", "--follow", action="store_true", help="go on with those that come")
    tail.add_argument(
        "--json", action="store_true", help="print a JSON array; with --follow an object a line"
    )
    query = commands.add(
        "query",
        summary="show the events that fit",
        examples=(
            "devwiz-gw audit query --action 'secret.*' --since 1d",
            "devwiz-gw audit query --outcome denied --json",
        ),
        run=_query,
    )
    _add_query(query)
    verify = commands.add(
        "verify",
        summary="prove that no line was changed, removed or added",
        examples=(
            "devwiz-gw audit verify",
            "devwiz-gw audit verify --key AAAA… --no-store --json",
        ),
        run=_verify,
    )
    verify.add_argument(
        "--key",
        action="append",
        default=[],
        help="a public key that may have signed, as an earlier verify printed it; repeatable "
        "(default: the one in the project's store)",
    )
    verify.add_argument(
        "--no-store", action="store_true", help="don't ask the secret store for the key"
    )
    verify.add_argument("--json", action="store_true", help="print JSON")
    export = commands.add(
        "export",
        summary="write the events that fit to standard output",
        examples=(
            "devwiz-gw audit export > audit.jsonl",
            "devwiz-gw audit export --format csv --since 2026-01-01 > audit.csv",
        ),
        run=_export,
    )
    export.add_argument(
        "--format",
        choices=("jsonl", "csv"),
        default="jsonl",
        help="lines as they are in the journal, which can be verified, or a table",
    )
    _add_query(export, json_option=False)
    knowing = commands.add(
        "acknowledge",
        summary="say that you know of what 'verify' finds, and why it is so",
        examples=(
            'devwiz-gw audit acknowledge 3f2a9c01d4e5 --reason "restored the backup of 1 March"',
        ),
        run=_acknowledge,
    )
    knowing.add_argument(
        "findings",
        nargs="+",
        metavar="FINDING",
        help="as 'audit verify' names it; its first letters will do",
    )
    knowing.add_argument(
        "--reason", required=True, metavar="TEXT", help="what happened, for whoever reads it later"
    )
    for command in (tail, query, verify, export, knowing):
        command.add_argument("--project", help="whose (default: the configuration's project)")


def _add_query(parser: argparse.ArgumentParser, *, json_option: bool = True) -> None:
    for name, text in (
        ("since", "from this time on: 2026-03-01, 2026-03-01T12:00:00Z, or an age such as 90m"),
        ("until", "before this time"),
    ):
        parser.add_argument(f"--{name}", type=_time, metavar="TIME", help=text)
    parser.add_argument("--action", default="", help="such as secret.read; * and ? are patterns")
    parser.add_argument("--name", default="", help="to what; * and ? are patterns")
    parser.add_argument("--outcome", default="", help="ok, begun, denied or failed")
    parser.add_argument("--user", default="", help="a user's number, name or account")
    if json_option:
        parser.add_argument("--json", action="store_true", help="print a JSON array")


def _time(text: str) -> datetime:
    if ago := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a time like 2026-03-01T12:00:00Z nor an age like 90m"
        ) from None
    return at if at.tzinfo else at.astimezone()


def _journal(args: argparse.Namespace) -> Path:
    return journal_path(snapshot_of(args).project, os.environ)


def _events(files: Iterable[Path]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for path in files:
        for line in lines_of(path):
            fields = fields_of(line)
            if fields is not None:
                yield line, fields


# -- tail and query --------------------------------------------------------------------------------


def _tail(args: argparse.Namespace) -> int:
    path = _journal(args)
    last = deque((fields for _, fields in _events(all_files(path)[-2:])), maxlen=max(args.n, 0))
    if args.json and args.follow:
        for fields in last:
            _tell(fields)
    elif args.json:
        output.document(list(last))
    else:
        _show(list(last))
    if not last and not args.follow:
        output.note(f"nothing is recorded in {path} yet")
    if args.follow:
        tell = _tell if args.json else _tell_row
        _follow(path, last[-1].get("seq", 0) if last else 0, tell)
    return ExitCode.OK


def _tell(fields: Mapping[str, Any]) -> None:
    output.line(json.dumps(fields, ensure_ascii=False))


def _tell_row(fields: Mapping[str, Any]) -> None:
    output.line("  ".join(filter(None, map(output.printable, _row(fields)))))


def _follow(path: Path, seq: int, tell: Callable[[Mapping[str, Any]], None]) -> None:
    """Print what comes, until interrupted; files that are full meanwhile are read to their end."""
    while True:
        fresh = [
            fields
            for _, fields in _events(all_files(path)[-2:])
            if isinstance(fields.get("seq"), int) and fields["seq"] > seq
        ]
        for fields in fresh:
            tell(fields)
            seq = fields["seq"]
        output.flush()
        time.sleep(_LOOK_S)


def _query(args: argparse.Namespace) -> int:
    query = _wanted(args)
    events = [fields for _, fields in _events(all_files(_journal(args))) if query.wants(fields)]
    if args.json:
        output.document(events)
    else:
        _show(events)
    if not events:
        output.note("no event fits")
    return ExitCode.OK


def _wanted(args: argparse.Namespace) -> Query:
    return Query(
        since=args.since,
        until=args.until,
        action=args.action,
        name=args.name,
        outcome=args.outcome,
        user=args.user,
    )


def _show(events: list[dict[str, Any]]) -> None:
    if events:
        for line in output.table(_HEADINGS, [_row(fields) for fields in events]):
            output.line(line)


def _row(fields: Mapping[str, Any]) -> list[str]:
    user, client = _part(fields, "user"), _part(fields, "client")
    who = user.get("account") or user.get("name") or user.get("uid", "")
    program = Path(str(client.get("exe", ""))).name
    if client.get("pid"):
        program = f"{program}[{client['pid']}]"
    texts = (fields.get(key, "") for key in ("action", "name", "outcome", "reason"))
    return [_clock(fields), str(who), program, *map(str, texts)]


def _clock(fields: Mapping[str, Any]) -> str:
    """Local time, to the second."""
    try:
        at = datetime.fromisoformat(str(fields.get("time")))
    except ValueError:
        return ""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _part(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = fields.get(key)
    return value if isinstance(value, Mapping) else {}


# -- verify ----------------------------------------------------------------------------------------


def _verify(args: argparse.Namespace) -> int:
    from gateway.audit.verify import verify
    from gateway.cli.audit_expected import expected_by
    from gateway.cli.audit_view import verdict_document, verdict_lines

    snapshot = snapshot_of(args)
    path = journal_path(snapshot.project, os.environ)
    expected, remark = expected_by(args, snapshot)
    files = all_files(path)
    verdict = verify(((item.name, lines_of(item)) for item in files), expected)
    if args.json:
        output.document(verdict_document(verdict, path))
    else:
        for text in verdict_lines(verdict, path):
            output.line(text)
        if remark:
            output.note(remark)
    return ExitCode.OK if verdict.whole else ExitCode.FAILED


def _acknowledge(args: argparse.Namespace) -> int:
    from gateway.cli import audit_acknowledge

    return audit_acknowledge.run(args)


# -- export ----------------------------------------------------------------------------------------


def _export(args: argparse.Namespace) -> int:
    query = _wanted(args)
    chosen = (
        (line, fields) for line, fields in _events(all_files(_journal(args))) if query.wants(fields)
    )
    if args.format == "jsonl":
        for line, _ in chosen:
            output.write_bytes(line + b"\n")
        return ExitCode.OK
    writer = csv.writer(output)
    writer.writerow(_COLUMNS)
    for _, fields in chosen:
        writer.writerow(_cells(fields))
    return ExitCode.OK


def _cells(fields: Mapping[str, Any]) -> list[str]:
    user, client = _part(fields, "user"), _part(fields, "client")
    flat = {**fields, **client, "uid": user.get("uid"), "user": user.get("name")}
    flat["account"] = user.get("account")
    return [_cell(flat.get(column)) for column in _COLUMNS]


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula (CWE-1236)."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
