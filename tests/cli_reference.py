"""Writes docs/cli.md from the command's own parsers: `python -m tests.cli_reference`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from gateway.cli.exit_codes import ExitCode
from gateway.cli.main import program_parser, verb_parser
from gateway.cli.verbs import VERBS

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"

_INTRODUCTION = """\
# Command line

<!-- Generated from the parsers by `python -m tests.cli_reference`. -->

`devwiz-gw [--config FILE] VERB …`. `--config FILE` may stand before or after the verb; which file
is used without it is said in [configuration.md](configuration.md). Results go to standard output,
and everything said about the work to standard error. An error is shown as what failed, and on a
line of its own the likely cause and the remedy. Colour is used on a terminal only, and not when
`NO_COLOR` is set.

Shells complete it after `eval "$(devwiz-gw completion bash)"`, the same with `zsh` after
`compinit`, or `devwiz-gw completion fish | source`. Names of secrets, variables, routes and tokens
come from the configuration file: no keychain and no gateway is asked.
"""


def page() -> str:
    """The whole page."""
    lines = [_INTRODUCTION, *_exit_codes(), "## devwiz-gw", "", *_options(program_parser())]
    for verb in VERBS:
        if find_spec(verb.module) is not None:
            lines += _command(verb_parser(verb), level=2)
    return "\n".join(lines).rstrip() + "\n"


def _exit_codes() -> Iterator[str]:
    yield from ("## Exit codes", "", "| code | meaning |", "|---|---|")
    for code in ExitCode:
        yield f"| {code.value} | {code.meaning} |"
    yield from (
        "",
        "`status` exits with 0 when the gateway is healthy, 1 when it is degraded, starting or",
        "draining, and 2 when it is not running. `healthcheck` knows 0 and 1 only, as container",
        "engines want it.",
        "",
    )


def _command(parser: argparse.ArgumentParser, *, level: int) -> Iterator[str]:
    yield from (f"{'#' * level} {parser.prog}", "", parser.description or "", "")
    yield from _options(parser)
    examples = (parser.epilog or "").removeprefix("examples:\n").splitlines()
    yield from ("```sh", *(example.strip() for example in examples), "```", "")
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _command(command, level=level + 1)


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    shown = [
        action
        for action in parser._actions
        if action.help not in {None, argparse.SUPPRESS}
        and action.dest not in {"help", "config", "verb"}
    ]
    if not shown:
        return
    yield from ("| argument | meaning |", "|---|---|")
    for action in shown:
        text = (action.help or "") % {**vars(action), "prog": parser.prog}
        yield f"| `{_name(action)}` | {text} |"
    yield ""


def _name(action: argparse.Action) -> str:
    value = str(action.metavar or action.dest.upper())
    if action.choices is not None and not action.metavar:
        value = "|".join(str(choice) for choice in action.choices)
    if action.nargs == "?" or (not action.option_strings and action.nargs == "*"):
        value = f"[{value}]"
    takes_value = action.nargs != 0
    return " ".join([", ".join(action.option_strings), value if takes_value else ""]).strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
