"""Argument parsers with the program's manners: `--config` everywhere, examples in each `--help`."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from gateway.cli import output
from identity.fault import Fault

if TYPE_CHECKING:
    from datetime import timedelta

PROGRAM: Final = "devwiz-gw"

#: How wide it is assumed to be where there is no terminal.
_COLUMNS: Final = 80
_STDOUT: Final = 1

#: What argparse says of words that have no place, and of a value that an option doesn't take.
_REST: Final = "unrecognized arguments: "
_NO_COMMAND: Final = "the following arguments are required: COMMAND"
_EXPLICIT: Final = re.compile(r"ignored explicit argument .*", re.DOTALL)
_OPTION: Final = re.compile(r"--[a-z][a-z-]*(?:=|$)")
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class UsageError(Fault):
    """The command line itself is wrong."""

    remedy = "the command with --help says what it takes"


class _Layout(argparse.RawDescriptionHelpFormatter):
    """The layout of `--help`, as wide as the terminal. Left to find that out by itself, argparse
    imports libraries of compression, at the start of each command.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    """As `shutil.get_terminal_size` has it."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(_STDOUT).columns or _COLUMNS
    except OSError:  # no terminal
        return _COLUMNS


class CommandParser(argparse.ArgumentParser):
    """An `ArgumentParser` whose mistakes are raised as `UsageError`, to be shown like any other."""

    def print_help(self, file: Any = None) -> None:
        """Write the help; argparse itself says nothing where it can't be written."""
        (file or output).write(self.format_help())

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`; argparse calls it for every mistake in the arguments."""
        if message == _NO_COMMAND:
            raise UsageError(
                f"no command of '{self.prog}' is named",
                hint=f"it has {', '.join(self._commands())}; see '{self.prog} --help'",
            )
        raise UsageError(_without_values(message), hint=f"see '{self.prog} --help'")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse words without a place here: the outer parser would point at its own help."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(_REST + " ".join(rest))
        return found, rest

    def _commands(self) -> list[str]:
        return [
            name
            for action in self._actions
            if action.dest == "command" and isinstance(action.choices, Mapping)
            for name in action.choices
        ]


def _without_values(message: str) -> str:
    """One of argparse's messages without what somebody may have typed as a secret's value: of words
    that have no place only the names of options are repeated.
    """
    _, is_rest, rest = message.partition(_REST)
    if not is_rest:
        return _EXPLICIT.sub("it takes no value", message)
    words = rest.split()
    options = [word.partition("=")[0] for word in words if _OPTION.match(word)]
    return _REST + " ".join([*options, *(["…"] if options != words else [])])


def make_parser(prog: str, *, summary: str, examples: Sequence[str]) -> CommandParser:
    """A parser for one command, with `--config`, whose help ends in `examples`."""
    parser = CommandParser(
        prog=prog,
        description=_sentence(summary),
        epilog=_epilog(examples),
        formatter_class=_Layout,
        allow_abbrev=False,
    )
    add_config(parser)
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config FILE`. Without it `args.config` keeps what an outer parser gave it."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=argparse.SUPPRESS,
        help="configuration file (default: devwiz-gw.toml here or in a folder above, "
        "then in the user's configuration folder)",
    )


class Commands:
    """The sub-commands of a verb, like `identity show`."""

    def __init__(self, parser: argparse.ArgumentParser, *, required: bool = True) -> None:
        self._actions = parser.add_subparsers(
            title="commands", metavar="COMMAND", dest="command", required=required
        )

    def add(
        self,
        name: str,
        *,
        summary: str,
        examples: Sequence[str],
        run: Callable[[argparse.Namespace], int],
    ) -> argparse.ArgumentParser:
        """Add one command and return its parser, for options of its own."""
        parser = self._parser(name, summary=summary, examples=examples)
        add_config(parser)
        parser.set_defaults(run=run)
        return parser

    def group(self, name: str, *, summary: str, examples: Sequence[str]) -> Commands:
        """Add a command that has commands of its own, like `vault slots add`."""
        return Commands(self._parser(name, summary=summary, examples=examples))

    def _parser(
        self, name: str, *, summary: str, examples: Sequence[str]
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = self._actions.add_parser(
            name,
            help=summary,
            description=_sentence(summary),
            epilog=_epilog(examples),
            formatter_class=_Layout,
            allow_abbrev=False,
        )
        return parser


def seconds(text: str) -> float:
    """The type of an argument that is a number of seconds, from a tenth to a day."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0.1 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.1 and 86400 seconds")
    return value


def duration(text: str) -> timedelta:
    """The type of an argument that is a span of time, like 45s, 30m, 12h or 7d."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: use 45s, 30m, 12h or 7d")
    from datetime import timedelta

    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def add_commands(parser: argparse.ArgumentParser, *, required: bool = True) -> Commands:
    """Make a verb's parser take sub-commands; unless one is `required`, it has an action too."""
    return Commands(parser, required=required)


def _sentence(summary: str) -> str:
    return f"{summary[:1].upper()}{summary[1:]}."


def _epilog(examples: Sequence[str]) -> str:
    return "\n".join(["examples:", *(f"  {example}" for example in examples)])
