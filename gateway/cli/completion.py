"""`devwiz-gw completion`: have a shell complete what is typed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import UsageError
from gateway.cli.secret_scope import references
from gateway.cli.snapshot import snapshot_of, text_of

_SHELLS: Final = ("bash", "zsh", "fish")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_SECRET: Final = re.compile(r"\{?secret:([^{}]+)\}?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `completion`."""
    parser.add_argument("shell", nargs="?", choices=_SHELLS, help="whose script is printed")
    # The scripts ask for names by it.
    parser.add_argument("--names", help=argparse.SUPPRESS)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.names:
        names = names_of(args.names, snapshot_of(args, required=True).raw)
        # Shells put them into commands, and who wrote the configuration may be anybody.
        for name in sorted(filter(_PLAIN.fullmatch, names)):
            output.line(name)
        return ExitCode.OK
    if args.shell is None:
        raise UsageError("no shell is named", hint="devwiz-gw completion bash, zsh or fish")
    from gateway.cli import completion_fish, completion_shell
    from gateway.cli.completion_table import all_commands

    scripts = {
        "bash": completion_shell.bash,
        "zsh": completion_shell.zsh,
        "fish": completion_fish.fish,
    }
    output.line(scripts[args.shell](all_commands()).rstrip("\n"))
    return ExitCode.OK


def names_of(kind: str, raw: Mapping[str, object]) -> set[str]:
    """What the configuration's tables name: no store and no gateway is asked."""
    variables = _table(_table(raw, "run"), "env")
    match kind:
        case "secrets":
            allowed = _table(raw, "run").get("secrets")
            found = {text for value in variables.values() for text in _SECRET.findall(str(value))}
            return found | set(references(raw)) | set(_texts(allowed))
        case "variables":
            return set(variables)
        case "tokens" | "rotations":
            return set(_table(raw, "tokens" if kind == "tokens" else "rotate"))
        case "identities":
            return {"default", *_table(raw, "identities")}
        case "routes":
            routes = raw.get("routes")
            found = (
                {text_of(route, "name") for route in routes} if isinstance(routes, list) else set()
            )
            return found - {""}
        case _:
            return set()


def _table(raw: Mapping[str, object], key: str) -> Mapping[str, object]:
    inner = raw.get(key)
    return inner if isinstance(inner, dict) else {}


def _texts(raw: object) -> Iterable[str]:
    return [text for text in raw if isinstance(text, str)] if isinstance(raw, list) else []
