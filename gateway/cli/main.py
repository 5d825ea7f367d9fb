"""The command `devwiz-gw`: finds the verb, runs it, turns what it raises into text and a code."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Final, NoReturn

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import PROGRAM, CommandParser, UsageError, make_parser
from gateway.cli.verbs import VERBS, Verb
from identity.fault import Fault

_STDERR: Final = 2
#: How alike a verb is that may have been meant: a letter or two differ, or are at other places.
_CLOSE: Final = 0.65


def run_to_the_end() -> NoReturn:
    """Run `main` on the process's arguments and exit with its code."""
    _have_standard_streams()
    try:
        code = main(sys.argv[1:])
        code = reported(_flushed) or code
    except BrokenPipeError:
        # The interpreter flushes stdout once more on its way out; give it somewhere to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.BROKEN_PIPE
    sys.exit(code)


def _have_standard_streams() -> None:
    """Those that are closed (`>&-`) lead nowhere from here on: else the next file that is opened,
    which may be the journal or a value for a program, would stand in the place of one.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(fd, True)
    os.close(fd)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(_STDERR, "w", closefd=False)


def main(argv: Sequence[str]) -> int:
    """Run one command line (without the program's name) and return its exit code.

    Only `BrokenPipeError` and defects come out as exceptions.
    """

    def action() -> int:
        args = parse(argv)
        gc.enable()
        return int(args.run(args))

    return reported(action)


def reported(action: Callable[[], int]) -> int:
    """The exit code of `action`, having shown the `Fault` that it raised instead, if it did."""
    try:
        return action()
    except UsageError as error:
        output.fault(error)
        return ExitCode.NOT_RUNNING
    except Fault as error:
        output.fault(error)
        return _code_of(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except SystemExit as asked:
        # argparse exits by itself after --help.
        return asked.code if isinstance(asked.code, int) else ExitCode.FAILED


def _flushed() -> int:
    output.flush()
    return ExitCode.OK


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Arguments to a namespace with `run` and `config`. Raises `UsageError`."""
    outer = program_parser().parse_args(argv)
    if outer.version:
        return argparse.Namespace(run=_show_version)
    if outer.verb is None:
        return argparse.Namespace(run=_show_help)
    inner = argparse.Namespace(config=outer.config if "config" in outer else None)
    return verb_parser(_verb_named(outer.verb)).parse_args(outer.arguments, inner)


def program_parser() -> CommandParser:
    """The parser of everything in front of the verb."""
    width = max(len(verb.name) for verb in VERBS)
    listing = [f"  {verb.name:<{width}}  {verb.summary}" for verb in VERBS]
    parser = make_parser(
        PROGRAM,
        summary="turn plaintext HTTP on localhost into mutual TLS 1.3 to remote agents",
        examples=("devwiz-gw demo", "devwiz-gw config check", "devwiz-gw status"),
    )
    parser.usage = f"{PROGRAM} [--config FILE] VERB …"
    parser.epilog = "\n".join(["verbs:", *listing, "", parser.epilog or ""])
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("verb", nargs="?", metavar="VERB", help="what to do: see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def verb_parser(verb: Verb) -> CommandParser:
    """The parser of what follows a verb; imports that verb's module and no other."""
    if find_spec(verb.module) is None:
        raise UsageError(
            f"'{verb.name}' is not part of this installation",
            hint=f"the module {verb.module} is missing: install {PROGRAM} again",
        )
    parser = make_parser(f"{PROGRAM} {verb.name}", summary=verb.summary, examples=verb.examples)
    import_module(verb.module).add_arguments(parser)
    return parser


def _verb_named(name: str) -> Verb:
    for verb in VERBS:
        if verb.name == name:
            return verb
    from difflib import get_close_matches

    close = get_close_matches(name, [verb.name for verb in VERBS], n=1, cutoff=_CLOSE)
    suggestion = f"did you mean '{close[0]}'? " if close else ""
    raise UsageError(f"unknown verb {name!r}", hint=f"{suggestion}see '{PROGRAM} --help'")


def _code_of(error: Fault) -> ExitCode:
    from gateway.errors import NotRunning

    return ExitCode.NOT_RUNNING if isinstance(error, NotRunning) else ExitCode.FAILED


def _show_version(_args: argparse.Namespace) -> int:
    from importlib import metadata

    hot = find_spec("gateway.data_plane.reactor")
    compiled = hot is not None and not (hot.origin or "").endswith(".py")
    kind = "compiled" if compiled else "pure Python"
    output.line(f"{PROGRAM} {metadata.version(PROGRAM)} ({kind} data plane)")
    return ExitCode.OK


def _show_help(_args: argparse.Namespace) -> int:
    output.line(program_parser().format_help().rstrip())
    return ExitCode.NOT_RUNNING
